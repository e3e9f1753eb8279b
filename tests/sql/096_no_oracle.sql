-- No constraint and no error tells whether a row is there that who asks may not see: each statement is tried while the hidden
-- row is there, and again after the superuser has removed it; whoever asks must be told the same, word for word.
begin;
select plan(81);

select tests.cast_personas();

-- What a persona is told: the whole error, or how many rows.
create function pg_temp.answer(p_persona text, p_statement text, p_removal text)
returns text
language plpgsql
as $$
declare
    v_rows bigint;
    v_message text;
    v_detail text;
    v_hint text;
    v_constraint text;
begin
    execute p_removal;
    get diagnostics v_rows = row_count;
    if v_rows = 0 and p_removal <> 'select where false' then
        return 'control failed: nothing was removed';
    end if;
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    execute p_statement;
    get diagnostics v_rows = row_count;
    raise sqlstate 'SB999' using message = 'rows: ' || v_rows;
exception
    when sqlstate 'SB999' then
        return sqlerrm;
    when others then
        get stacked diagnostics
            v_message = message_text,
            v_detail = pg_exception_detail,
            v_hint = pg_exception_hint,
            v_constraint = constraint_name;
        return concat_ws(' / ', sqlstate, nullif(v_constraint, ''), v_message, nullif(v_detail, ''), nullif(v_hint, ''));
end;
$$;

create temporary table try (
    place bigint generated always as identity,
    persona text,
    behaviour text,
    told text,
    statement text,
    removal text
);
-- Further rows to be hidden.
insert into app.chat_threads (account_id, id, session_id, mode, title, status)
values ('00000000-0000-4000-8000-00000000000a', 'thread-hidden', 'session-private', 'general', 'General', 'active');
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000b', 'session-of-b');
insert into app.upload_chunks (account_id, sha256, size_bytes, encoding, chunk)
values ('00000000-0000-4000-8000-00000000000b', sha256('of b'), 4, 'identity', 'of b');
select tests.keep_content('00000000-0000-4000-8000-00000000000b', 'content of b');

insert into try (persona, behaviour, told, statement, removal)
values
-- Threads and messages of the owner's other session, to an editor of this one.
('editor', 'a message with the id of a thread in another session', '23503 / chat_messages_thread_fkey', 'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''thread-hidden'', ''session'', ''user'', ''x'', ''00000000-0000-4000-8000-00000000000d'')', 'delete from app.chat_threads where id = ''thread-hidden'''),
('editor', 'a tool event with the id of a thread in another session', '23503 / chat_tool_events_thread_fkey', 'insert into app.chat_tool_events (account_id, session_id, thread_id, tool_name, status, started_at, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''thread-hidden'', ''search'', ''pending'', ''2026-01-01'', ''00000000-0000-4000-8000-00000000000d'')', 'delete from app.chat_threads where id = ''thread-hidden'''),
('editor', 'a client_message_id that another session used', 'rows: 1', 'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, client_message_id, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''thread-session-default'', ''session'', ''user'', ''x'', ''client-session-private'', ''00000000-0000-4000-8000-00000000000d'')', 'delete from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private'''),
('editor', 'a client_message_id that a thread of another session used, with that thread', '23503 / chat_messages_thread_fkey', 'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, client_message_id, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''thread-session-private'', ''session'', ''user'', ''x'', ''client-session-private'', ''00000000-0000-4000-8000-00000000000d'')', 'delete from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private'''),
('editor', 'the same, where conflicts are passed over', '23503 / chat_messages_thread_fkey', 'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, client_message_id, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''thread-session-private'', ''session'', ''user'', ''x'', ''client-session-private'', ''00000000-0000-4000-8000-00000000000d'') on conflict do nothing', 'delete from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private'''),
('editor', 'a second active thread in another session', '42501 / new row', 'insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''general'', ''x'', ''active'', ''00000000-0000-4000-8000-00000000000d'')', 'delete from app.chat_threads where id = ''thread-hidden'''),
('editor', 'a second active thread in another session, where conflicts are passed over', '42501 / new row', 'insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''general'', ''x'', ''active'', ''00000000-0000-4000-8000-00000000000d'') on conflict do nothing', 'delete from app.chat_threads where id = ''thread-hidden'''),
('editor', 'an entry of another session''s timeline', '42501 / new row', 'insert into app.session_events (account_id, session_id, event_index, event_type) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', 0, ''message'')', 'delete from app.session_events where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private'''),
('editor', 'a binding of another session, or of this one in its place', '42501 / new row', 'insert into app.session_repo_bindings (account_id, session_id, asset_path, root_dir, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''log'', ''/'', ''00000000-0000-4000-8000-00000000000d'') on conflict (account_id, session_id) do update set root_dir = excluded.root_dir', 'delete from app.session_repo_bindings where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private'''),
('editor', 'a todo of a session of the owner', '42501 / new row', 'insert into app.todos (account_id, session_id, body, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''x'', ''00000000-0000-4000-8000-00000000000d'')', 'delete from app.sessions where account_id = ''00000000-0000-4000-8000-00000000000a'' and id = ''session-private'''),
('editor', 'a change of the threads of another session', 'rows: 0', 'update app.chat_threads set title = ''x'' where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private''', 'delete from app.chat_threads where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private'''),
('editor', 'the removal of messages of another session', 'rows: 0', 'delete from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private''', 'delete from app.chat_messages where account_id = ''00000000-0000-4000-8000-00000000000a'' and session_id = ''session-private'''),
('editor', 'a condition that fails on a hidden row', 'rows: 0', 'select from app.chat_messages where 1 / (content !~ ''private'')::integer > 9', 'delete from app.chat_messages where content ~ ''private'''),
('editor', 'a condition that fails on a hidden membership', 'rows: 0', 'select from app.memberships where 1 / (session_id !~ ''private'')::integer > 9', 'delete from app.session_members where session_id = ''session-private'''),
-- Accounts, to who adds members.
('owner', 'a member, whether its account exists or not', 'rows: 1', 'insert into app.session_members (account_id, session_id, member_account_id, role) values (''00000000-0000-4000-8000-00000000000a'', ''session-shown'', ''00000000-0000-4000-8000-0000000000f9'', ''viewer'')', 'delete from app.accounts where id = ''00000000-0000-4000-8000-0000000000f9'''),
('co-owner', 'a member, whether its account exists or not', 'rows: 1', 'insert into app.session_members (account_id, session_id, member_account_id, role) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''00000000-0000-4000-8000-0000000000f9'', ''viewer'')', 'delete from app.accounts where id = ''00000000-0000-4000-8000-0000000000f9'''),
('co-owner', 'a member of another session', '42501 / new row', 'insert into app.session_members (account_id, session_id, member_account_id, role) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''00000000-0000-4000-8000-0000000000f0'', ''viewer'')', 'delete from app.session_members where session_id = ''session-private'''),
('editor', 'a member where it may not add any', '42501 / new row', 'insert into app.session_members (account_id, session_id, member_account_id, role) values (''00000000-0000-4000-8000-00000000000a'', ''session-default'', ''00000000-0000-4000-8000-0000000000f9'', ''viewer'')', 'delete from app.accounts where id = ''00000000-0000-4000-8000-0000000000f9'''),
-- Sessions of one account, to the other, which has one of the same id.
('owner', 'a session of an id that another account uses', 'rows: 1', 'insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-00000000000a'', ''session-of-b'')', 'delete from app.sessions where id = ''session-of-b'''),
('owner', 'an upload of a session that another account has', '23503 / session_uploads_session_fkey', 'insert into app.session_uploads (account_id, session_id, original_name, size_bytes, content_sha256, source) values (''00000000-0000-4000-8000-00000000000a'', ''session-of-b'', ''x'', 1, sha256(''x''), ''upload'')', 'delete from app.sessions where id = ''session-of-b'''),
('owner', 'an upload moved to a session that another account has', '23503 / session_uploads_session_fkey', 'update app.session_uploads set session_id = ''session-of-b'' where id = ''upload''', 'delete from app.sessions where id = ''session-of-b'''),
('owner', 'a chunk that another account has', 'rows: 1', 'insert into app.upload_chunks (account_id, sha256, size_bytes, encoding, chunk) values (''00000000-0000-4000-8000-00000000000a'', sha256(''of b''), 4, ''identity'', ''of b'')', 'delete from app.upload_chunks where sha256 = sha256(''of b'')'),
('owner', 'an upload of a content that another account has', '23503 / session_uploads_content_fkey', 'insert into app.session_uploads (account_id, original_name, size_bytes, content_sha256, source) values (''00000000-0000-4000-8000-00000000000a'', ''x'', 4, sha256(''content of b''), ''upload'')', 'delete from app.upload_contents where sha256 = sha256(''content of b'')'),
('owner', 'a content of a chunk that another account has', '23503 / upload_content_chunks_chunk_fkey', 'insert into app.upload_content_chunks (account_id, content_sha256, chunk_index, byte_offset, chunk_sha256) values (''00000000-0000-4000-8000-00000000000a'', sha256(''x''), 1, 1, sha256(''of b''))', 'delete from app.upload_chunks where sha256 = sha256(''of b'')'),
('owner', 'which chunks are missing', 'rows: 1', 'select from api.list_missing_upload_chunks(array[sha256(''of b'')])', 'delete from app.upload_chunks where sha256 = sha256(''of b'')'),
('owner', 'which chunks of another account are missing', 'rows: 1', 'select from api.list_missing_upload_chunks(array[sha256(''of b'')], ''00000000-0000-4000-8000-00000000000b'')', 'delete from app.upload_chunks where sha256 = sha256(''of b'')'),
-- Anything, to a stranger.
('stranger', 'a session of another account', '42501 / new row', 'insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-00000000000b'', ''session-of-b'')', 'delete from app.sessions where id = ''session-of-b'''),
('stranger', 'a session of another account, where conflicts are passed over', '42501 / new row', 'insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-00000000000b'', ''session-of-b'') on conflict do nothing', 'delete from app.sessions where id = ''session-of-b'''),
('stranger', 'a session of an account that may not be there', '42501 / new row', 'insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-0000000000f9'', ''session-1'')', 'delete from app.accounts where id = ''00000000-0000-4000-8000-0000000000f9'''),
('stranger', 'settings of an account that may not be there', '42501 / new row', 'insert into app.ui_settings (account_id, profile_id) values (''00000000-0000-4000-8000-0000000000f9'', ''profile'')', 'delete from app.accounts where id = ''00000000-0000-4000-8000-0000000000f9'''),
('stranger', 'settings of another account', '42501 / new row', 'insert into app.ui_settings (account_id, profile_id) values (''00000000-0000-4000-8000-00000000000b'', ''profile'')', 'delete from app.ui_settings where account_id = ''00000000-0000-4000-8000-00000000000b'''),
('stranger', 'a thread of another account''s session', '42501 / new row', 'insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id) values (''00000000-0000-4000-8000-00000000000b'', ''session-of-b'', ''session'', ''x'', ''active'', ''00000000-0000-4000-8000-0000000000f1'')', 'delete from app.sessions where id = ''session-of-b'''),
('stranger', 'a message in another account''s thread', '42501 / new row', 'insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content, client_message_id, author_account_id) values (''00000000-0000-4000-8000-00000000000b'', ''session-default'', ''thread-session-default'', ''session'', ''user'', ''x'', ''client-session-default'', ''00000000-0000-4000-8000-0000000000f1'')', 'delete from app.chat_threads where account_id = ''00000000-0000-4000-8000-00000000000b'''),
('stranger', 'a tool event of another account''s session', '42501 / new row', 'insert into app.chat_tool_events (account_id, session_id, tool_name, status, started_at, author_account_id) values (''00000000-0000-4000-8000-00000000000b'', ''session-of-b'', ''search'', ''pending'', ''2026-01-01'', ''00000000-0000-4000-8000-0000000000f1'')', 'delete from app.sessions where id = ''session-of-b'''),
('stranger', 'a misalignment of another account''s session', '42501 / new row', 'insert into app.misalignments (account_id, session_id, rule_id, title, summary, severity, author_account_id) values (''00000000-0000-4000-8000-00000000000b'', ''session-of-b'', ''rule'', ''x'', ''x'', ''low'', ''00000000-0000-4000-8000-0000000000f1'')', 'delete from app.sessions where id = ''session-of-b'''),
('stranger', 'a hook decision of another account''s session', '42501 / new row', 'insert into app.hook_decisions (account_id, session_id, source, content_hash, severity, blocked, author_account_id) values (''00000000-0000-4000-8000-00000000000b'', ''session-of-b'', ''hook'', ''x'', ''low'', false, ''00000000-0000-4000-8000-0000000000f1'')', 'delete from app.sessions where id = ''session-of-b'''),
('stranger', 'a change of another account''s sessions', 'rows: 0', 'update app.sessions set updated_at = now() where account_id = ''00000000-0000-4000-8000-00000000000b''', 'delete from app.sessions where account_id = ''00000000-0000-4000-8000-00000000000b'''),
('stranger', 'the removal of another account''s sessions', 'rows: 0', 'delete from app.sessions where account_id = ''00000000-0000-4000-8000-00000000000b''', 'delete from app.sessions where account_id = ''00000000-0000-4000-8000-00000000000b'''),
('stranger', 'another account', 'rows: 0', 'select from app.accounts where id = ''00000000-0000-4000-8000-0000000000f9''', 'delete from app.accounts where id = ''00000000-0000-4000-8000-0000000000f9'''),
-- An account that is disabled, and one that is not there.
('claim of an unknown account', 'that it is unknown, or disabled', '28000 / nobody may write here without an account', 'insert into app.sessions (account_id, id) values (''00000000-0000-4000-8000-0000000000ff'', ''session-1'')', 'insert into app.accounts (id, name, status) values (''00000000-0000-4000-8000-0000000000ff'', ''unknown'', ''disabled'')');
insert into app.accounts (id, name)
values ('00000000-0000-4000-8000-0000000000f9', 'without data');

select
    is(
        left(pg_temp.answer(persona, statement, 'select where false'), length(told)),
        told,
        format('%s, %s: is told %s while the hidden row is there', persona, behaviour, told)
    )
from try
order by place;

select
    is(
        pg_temp.answer(persona, statement, removal),
        pg_temp.answer(persona, statement, 'select where false'),
        format('%s, %s: is told the same without it', persona, behaviour)
    )
from try
order by place;

select isnt(
    pg_temp.answer('owner', 'insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''general'', ''x'', ''active'', ''00000000-0000-4000-8000-00000000000a'')', 'delete from app.chat_threads where id = ''thread-hidden'''),
    pg_temp.answer('owner', 'insert into app.chat_threads (account_id, session_id, mode, title, status, author_account_id) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''general'', ''x'', ''active'', ''00000000-0000-4000-8000-00000000000a'')', 'select where false'),
    'control: who may see the row is told that it is there'
);

select finish();
rollback;
