-- Each function of session logs as each persona, on the log of a session that the owner shares, and what it is told.
begin;
select plan(114);

select tests.cast_personas();

create temporary table statement (
    place bigint generated always as identity,
    name text,
    sql text,
    the_account text,
    a_member text,
    another text,
    nobody text
);
insert into statement (name, sql, the_account, a_member, another, nobody)
values
('recognize', 'select format from api.recognize_log(array[''{"record_type": "state"}'']) where %1$L is not null', 'codex', 'codex', 'codex', 'codex'),
('find', 'select count(*) from api.find_session_logs(''/logs/session-default'', ''log-session-default'', %1$L)', '1', '1', '0', '0'),
('get', 'select count(*) from api.get_session_log(''session-default'', %1$L)', '1', '1', '0', '0'),
('list', 'select string_agg(body, '' '') from api.list_session_events(''session-default'', account_id => %1$L)', 'of a''s default', 'of a''s default', 'nothing', 'nothing'),
(
    'begin a new one',
    'select begun.session_id from api.begin_session_log(''/new'', ''codex'', ''new'', account_id => %1$L) as begun',
    'session-new',
    '42501 new row violates row-level security policy for table "sessions"',
    '42501 new row violates row-level security policy for table "sessions"',
    '28000 nobody may write here without an account'
),
(
    'begin it anew',
    'select begun.event_count from api.begin_session_log(''/new'', ''codex'', session_id => ''session-default'', account_id => %1$L) as begun',
    '0',
    '42501 you may read session log "session-default", and not change it',
    'SB404 there is no session log "session-default" that you may see',
    '28000 nobody may write here without an account'
),
(
    'add',
    'select added.event_count from api.add_session_events(''session-default'', ''{"{}"}'', ''{1}'', ''{null}'', 2, 9, sha256(''x''), 1, %1$L) as added',
    '2',
    '42501 you may read session log "session-default", and not change it',
    'SB404 there is no session log "session-default" that you may see',
    '28000 nobody may write here without an account'
),
(
    'finish',
    'select done.size_bytes from api.finish_session_log(''session-default'', ''upload-session-default'', 1, sha256(''x''), 1, %1$L) as done',
    '1',
    '42501 you may read session log "session-default", and not change it',
    'SB404 there is no session log "session-default" that you may see',
    '28000 nobody may write here without an account'
);

select
    is(
        tests.said_to(reach.name, format(statement.sql, '00000000-0000-4000-8000-00000000000a')),
        case reach.who
            when 'the account' then statement.the_account
            when 'a member' then statement.a_member
            when 'another' then statement.another
            else statement.nobody
        end,
        format('%s: %s, %s', statement.name, reach.name, reach.who)
    )
from statement
cross join tests.standing as reach
order by statement.place, reach.place;

select is(
    (
        select concat_ws(' ', source_path, event_count, size_bytes, row_version)
        from app.session_logs
        where
            account_id = '00000000-0000-4000-8000-00000000000a'
            and session_id = 'session-default'
    ),
    '/logs/session-default 1 1',
    'control: the log is there, as it was'
);
-- Another's session of the same id is not the one that is meant.
select is(
    tests.said_to('other owner', 'select string_agg(body, '' '') from api.list_session_events(''session-default'')'),
    'of b''s default',
    'without account_id it is one''s own'
);

select finish();
rollback;
