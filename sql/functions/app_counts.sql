-- What is derived from rows that applications write: a thread's count and preview, and when a session last changed.
-- Messages that the import brings in have no author; it derives what comes of them itself, a batch at a time. What it does to
-- threads and tool events is no change of a session now, but what was written of it long ago.
set local role bookkeeper;

create or replace function app.note_change(p_account_id uuid, p_session_id text, p_at timestamptz)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Not at every change, so that those who write into one session seldom meet at its row, and never wait for each other
    -- there: who holds the row is changing the session too.
    perform
    from app.sessions as session
    where session.account_id = p_account_id
        and session.id = p_session_id
        and session.updated_at < p_at - interval '10 seconds'
    for no key update skip locked;
    if found then
        update app.sessions as session
        set updated_at = p_at
        where session.account_id = p_account_id
            and session.id = p_session_id;
    end if;
end;
$$;
comment on function app.note_change(uuid, text, timestamptz) is 'Notes in a session that something in it changed, unless that was noted less than ten seconds ago.';

create or replace function app.note_session_change()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: that something in a session changed is noted whatever who changes it may do with the session itself.
begin
    if tg_op = 'DELETE' then
        perform app.note_change(old.account_id, old.session_id, app.clock());
    else
        perform app.note_change(new.account_id, new.session_id, app.clock());
    end if;
    return null;
end;
$$;
comment on function app.note_session_change() is 'Trigger: a session whose rows change is noted as changed.';

create or replace function app.count_message()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who writes messages may write the count of their thread.
begin
    update app.chat_threads as thread
    set
        message_count = thread.message_count + 1,
        last_message_preview = case
            when thread.last_message_at is null or new.created_at > thread.last_message_at then app.message_preview(new.content)
            -- Of two of the same time, which plain SQL can write, the one with the later id is the newest.
            when new.created_at = thread.last_message_at
                then (
                    select app.message_preview(newest.content)
                    from app.chat_messages as newest
                    where newest.account_id = new.account_id
                        and newest.thread_id = new.thread_id
                    order by newest.created_at desc, newest.id desc
                    limit 1
                )
            else thread.last_message_preview
        end,
        last_message_at = greatest(new.created_at, thread.last_message_at),
        updated_at = greatest(new.created_at, thread.updated_at)
    where thread.account_id = new.account_id
        and thread.id = new.thread_id;
    perform app.note_change(new.account_id, new.session_id, new.created_at);
    return null;
end;
$$;
comment on function app.count_message() is 'Trigger: a message that is written counts in its thread, and is its preview if it is the newest.';

create or replace function app.preview_message()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who changes messages may write the preview of their thread.
begin
    update app.chat_threads as thread
    set
        last_message_preview = case
            when new.id = (
                select newest.id
                from app.chat_messages as newest
                where newest.account_id = new.account_id
                    and newest.thread_id = new.thread_id
                order by newest.created_at desc, newest.id desc
                limit 1
            ) then app.message_preview(new.content)
            else thread.last_message_preview
        end,
        updated_at = greatest(new.updated_at, thread.updated_at)
    where thread.account_id = new.account_id
        and thread.id = new.thread_id;
    perform app.note_change(new.account_id, new.session_id, new.updated_at);
    return null;
end;
$$;
comment on function app.preview_message() is 'Trigger: a thread''s preview follows its newest message when that is changed.';

create or replace function app.discount_messages()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who removes messages may write the count of their thread.
begin
    -- A thread that is removed takes its messages along, and is not there to be counted any more.
    update app.chat_threads as thread
    set
        message_count = greatest(thread.message_count - removed.messages, 0),
        last_message_preview = app.message_preview(newest.content),
        last_message_at = newest.created_at,
        updated_at = greatest(app.clock(), thread.updated_at)
    from (
        select
            account_id,
            thread_id,
            count(*) as messages
        from old_messages
        group by account_id, thread_id
    ) as removed
    left join lateral (
        select
            message.content,
            message.created_at
        from app.chat_messages as message
        where message.account_id = removed.account_id
            and message.thread_id = removed.thread_id
        order by message.created_at desc, message.id desc
        limit 1
    ) as newest on true
    where thread.account_id = removed.account_id
        and thread.id = removed.thread_id;

    perform app.note_change(removed.account_id, removed.session_id, app.clock())
    from (
        select distinct
            account_id,
            session_id
        from old_messages
    ) as removed;
    return null;
end;
$$;
comment on function app.discount_messages() is 'Trigger: messages that are removed no longer count in their thread, and its preview is the newest that is left.';

grant execute on function app.note_session_change(), app.count_message(), app.preview_message(), app.discount_messages() to sessionbase_owner;

set local role sessionbase_owner;

create or replace trigger count_message
after insert on app.chat_messages
for each row
when (new.author_account_id is not null)
execute function app.count_message();

create or replace trigger preview_message
after update of content on app.chat_messages
for each row
when (new.content is distinct from old.content)
execute function app.preview_message();

create or replace trigger discount_messages
after delete on app.chat_messages
referencing old table as old_messages
for each statement execute function app.discount_messages();

create or replace trigger note_session_change
after insert or update of title, status on app.chat_threads
for each row
when (current_user <> 'import_definer')
execute function app.note_session_change();

create or replace trigger note_session_change_by_removal
after delete on app.chat_threads
for each row execute function app.note_session_change();

create or replace trigger note_session_change
after insert or update on app.chat_tool_events
for each row
when (current_user <> 'import_definer')
execute function app.note_session_change();

create or replace trigger note_session_change_by_removal
after delete on app.chat_tool_events
for each row execute function app.note_session_change();

create or replace trigger note_session_change
after insert or update or delete on app.session_repo_bindings
for each row execute function app.note_session_change();

create or replace trigger note_session_change
after insert or update or delete on app.todos
for each row execute function app.note_session_change();

create or replace trigger note_session_change
after insert or update on app.misalignments
for each row execute function app.note_session_change();

create or replace trigger note_session_change
after insert on app.hook_decisions
for each row execute function app.note_session_change();
