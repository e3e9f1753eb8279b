-- row_version: 1 at first, and one more with every update, whatever the update says. The trigger itself is in 001_objects.sql.
begin;
select plan(30);

insert into app.accounts (id, name)
values
('00000000-0000-4000-8000-00000000000a', 'first'),
('00000000-0000-4000-8000-00000000000b', 'second');
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-1');
insert into app.session_members (account_id, session_id, member_account_id, role)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', '00000000-0000-4000-8000-00000000000b', 'viewer');
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values ('00000000-0000-4000-8000-00000000000a', 'thread-1', 'session-1', 'session', 'Session Coach', 'active');
insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content)
values ('00000000-0000-4000-8000-00000000000a', 'message-1', 'session-1', 'thread-1', 'session', 'user', 'one');
insert into app.chat_tool_events (account_id, id, session_id, thread_id, tool_name, status, started_at)
values ('00000000-0000-4000-8000-00000000000a', 'tool-1', 'session-1', 'thread-1', 'search', 'pending', now());
insert into app.session_events (account_id, session_id, event_index, event_type)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', 0, 'message');
insert into app.session_logs (account_id, session_id, format, source_path)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', 'codex', '/log');
select tests.keep_content('00000000-0000-4000-8000-00000000000a', 'x');
insert into app.session_uploads (account_id, id, session_id, original_name, size_bytes, content_sha256, source)
values ('00000000-0000-4000-8000-00000000000a', 'upload-1', 'session-1', 'log', 1, sha256('x'), 'upload');
insert into app.session_repo_bindings (account_id, session_id, asset_path, root_dir)
values ('00000000-0000-4000-8000-00000000000a', 'session-1', 'log', '/');
insert into app.todos (account_id, id, session_id, body)
values ('00000000-0000-4000-8000-00000000000a', 'todo-1', 'session-1', 'read');
insert into app.ui_settings (account_id, profile_id)
values ('00000000-0000-4000-8000-00000000000a', 'profile-1');
insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity)
values ('00000000-0000-4000-8000-00000000000a', 'misalignment-1', 'session-1', 'rule', 'title', 'summary', 'low');
insert into app.hook_decisions (account_id, id, session_id, source, content_hash, severity, blocked)
values ('00000000-0000-4000-8000-00000000000a', 'decision-1', 'session-1', 'hook', 'hash', 'low', false);

create temporary view versioned_table as
select attrelid::regclass as name
from pg_attribute
where
    attname = 'row_version'
    and attrelid::regclass::text ~ '^app\.'
    and attrelid in (
        select relation.oid from pg_class as relation
        where relation.relkind = 'r'
    );

-- The row_version of a table's rows of the first account, after a statement in which %s is the table.
create function pg_temp.version_after(p_statement text, p_table regclass)
returns bigint
language plpgsql
as $$
declare
    v_version bigint;
    v_owner text := case when p_table = 'app.accounts'::regclass then 'id' else 'account_id' end;
begin
    execute format(p_statement || ' where %2$I = $1', p_table, v_owner) using '00000000-0000-4000-8000-00000000000a'::uuid;
    execute format('select row_version from %s where %I = $1', p_table, v_owner)
    into strict v_version
    using '00000000-0000-4000-8000-00000000000a'::uuid;
    return v_version;
end;
$$;

select is(pg_temp.version_after('select 1 from %1$s', name), 1::bigint, name || ': a new row has row_version 1')
from versioned_table
order by name::text;

select
    is(
        pg_temp.version_after('update %1$s set row_version = 40', name),
        2::bigint,
        name || ': an update that sets row_version itself raises it by one all the same'
    )
from versioned_table
order by name::text;

update app.chat_threads
set title = 'Other'
where account_id = '00000000-0000-4000-8000-00000000000a';
update app.chat_threads
set title = title
where account_id = '00000000-0000-4000-8000-00000000000a';
select is(
    (
        select row_version
        from app.chat_threads
        where account_id = '00000000-0000-4000-8000-00000000000a'
    ),
    4::bigint,
    'each of two further updates raises it by one, also the one that changes nothing else'
);
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-1')
on conflict (account_id, id) do update
    set updated_at = excluded.updated_at;
select is(
    (
        select row_version
        from app.sessions
        where account_id = '00000000-0000-4000-8000-00000000000a'
    ),
    3::bigint,
    'the update of insert on conflict do update raises it too'
);

select finish();
rollback;
