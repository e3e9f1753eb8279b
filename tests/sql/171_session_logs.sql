-- Session logs by function: what is read into a timeline, how a log is known again, and what is refused and why.
begin;
select plan(62);

select tests.cast_personas();

-- What the owner is told: a text, or the SQLSTATE and what refused it. What it did stays.
create function pg_temp.owner(p_statement text)
returns text
language plpgsql
as $$
declare
    v_told text;
    v_constraint text;
begin
    perform set_config('request.jwt.claims', tests.claims_of('owner'), true);
    perform set_config('role', 'app_user', true);
    execute p_statement into v_told;
    perform set_config('role', 'none', true);
    return v_told;
exception
    when others then
        get stacked diagnostics v_constraint = constraint_name;
        return concat_ws(' ', sqlstate, coalesce(nullif(v_constraint, ''), sqlerrm));
end;
$$;

-- The timeline of one of the owner's sessions, an entry a word.
create function pg_temp.timeline(p_session_id text)
returns text
language sql
return (
    select string_agg(concat_ws(':', event_index, event_type, body), ' ' order by event_index)
    from app.session_events
    where
        account_id = '00000000-0000-4000-8000-00000000000a'
        and session_id = p_session_id
);

create function pg_temp.books(p_session_id text)
returns text
language sql
return (
    select concat_ws(' ', event_count, broken_count, settled_count, settled_bytes, left(encode(settled_sha256, 'hex'), 4), size_bytes, coalesce(upload_id, '-'), source_path, row_version)
    from app.session_logs
    where
        account_id = '00000000-0000-4000-8000-00000000000a'
        and session_id = p_session_id
);

-- A new log.
select is(
    pg_temp.owner($$
        select concat_ws(' ', begun.txid = pg_current_xact_id()::xid::text::bigint, begun.session_id, begun.log_id, begun.format, begun.event_count, begun.row_version)
        from api.begin_session_log('/a', 'codex', 'one', began_at => '2026-01-01 00:00:00Z') as begun
    $$),
    't session-one one codex 0 1',
    'a new log makes a session of its id'
);
select is(
    (
        select concat_ws(' ', created_at, updated_at)
        from app.sessions
        where
            account_id = '00000000-0000-4000-8000-00000000000a'
            and id = 'session-one'
    ),
    concat_ws(' ', '2026-01-01 00:00:00Z'::timestamptz, '2026-01-01 00:00:00Z'::timestamptz),
    'which began when the log did'
);
select is(
    pg_temp.owner($$
        select concat_ws(' ', added.event_count, added.broken_count, added.settled_count, added.settled_bytes, added.settled_sha256 = sha256('abc'), added.row_version)
        from api.add_session_events(
            'session-one',
            array[
                '{"timestamp": "2026-01-01T00:00:01Z", "type": "session_meta", "payload": {"id": "one", "cwd": "/w", "git": {"branch": "b"}}}',
                '{"half":',
                '[1]',
                '{"type": "response_item", "payload": {"type": "message", "role": "user", "content": "h\u0000i \\u0000 \ud800"}}',
                '{"huge": "...',
                '{"type": "resp'
            ],
            '{1,2,4,5,6,7}',
            array[null, null, null, null, 'too_large', 'unfinished'],
            5,
            999,
            sha256('abc'),
            1
        ) as added
    $$),
    '6 4 5 999 t 2',
    'lines are read, whatever is in them'
);
select is(
    pg_temp.timeline('session-one'),
    '0:session_meta 1:broken:{"half": 2:broken:[1] 3:message:h' || chr(65533) || 'i \u0000 ' || chr(65533) || ' 4:broken:{"huge": "... 5:broken:{"type": "resp',
    'a broken line is there with its text, and what Postgres can not hold is replaced'
);
select is(
    (
        select string_agg(payload::text, ' ' order by event_index)
        from app.session_events
        where
            account_id = '00000000-0000-4000-8000-00000000000a'
            and session_id = 'session-one'
            and event_type = 'broken'
    ),
    '{"line": 2, "reason": "not_json"} {"line": 4, "reason": "not_an_object"} {"line": 6, "reason": "too_large"} {"line": 7, "reason": "unfinished"}',
    'and with its place and the reason'
);
select is(
    (
        select payload
        from app.session_events
        where
            account_id = '00000000-0000-4000-8000-00000000000a'
            and session_id = 'session-one'
            and event_index = 0
    ),
    '{"timestamp": "2026-01-01T00:00:01Z", "type": "session_meta", "payload": {"id": "one", "cwd": "/w", "git": {"branch": "b"}}}'::jsonb,
    'an entry is there as the log has it'
);
select is(
    (
        select concat_ws(' ', cwd, branch, repository_url, updated_at)
        from app.sessions
        where
            account_id = '00000000-0000-4000-8000-00000000000a'
            and id = 'session-one'
    ),
    concat_ws(' ', '/w', 'b', '2026-01-01 00:00:01Z'::timestamptz),
    'the session has what the log says of it, and its latest time'
);

-- What is refused.
select is(pg_temp.owner($$ select api.add_session_events('session-one', '{"{}"}', '{1}', '{null}', 6, 1, sha256(''), 1) $$), 'SB409 session log "session-one" was changed by somebody else meanwhile', 'who does not know how far it was read adds nothing');
select is(pg_temp.owner($$ select api.add_session_events('session-none', '{"{}"}', '{1}', '{null}', 1, 1, sha256(''), 1) $$), 'SB404 there is no session log "session-none" that you may see', 'nor to a log that was not begun');
select is(pg_temp.owner($$ select api.add_session_events('session-one', '{"{}"}', '{1,2}', '{null}', 6, 1, sha256(''), 2) $$), '22023 lines, line_numbers and faults are lists of one length, and no more is settled than was added', 'every line has a number');
select is(pg_temp.owner($$ select api.add_session_events('session-one', '{"{}"}', '{1}', '{}', 6, 1, sha256(''), 2) $$), '22023 lines, line_numbers and faults are lists of one length, and no more is settled than was added', 'and a fault or null');
select is(pg_temp.owner($$ select api.add_session_events('session-one', null, null, null, 6, 1, sha256(''), 2) $$), '22023 lines, line_numbers and faults are lists of one length, and no more is settled than was added', 'null is no list');
select is(pg_temp.owner($$ select api.add_session_events('session-one', '{"{}"}', '{1}', '{null}', 8, 1, sha256(''), 2) $$), '22023 lines, line_numbers and faults are lists of one length, and no more is settled than was added', 'what was not added is not settled');
select is(pg_temp.owner($$ select api.add_session_events('session-one', '{"{}"}', '{1}', '{null}', 6, 1, '\x00', 2) $$), '23514 session_logs_settled_check', 'a sum is a SHA-256');
select is(pg_temp.owner($$ select api.begin_session_log('/b', 'codex', repeat('x', 201)) $$), '23514 session_logs_log_id_check', 'an id is no longer than fits');
select is(pg_temp.owner($$ select api.begin_session_log(repeat('x', 2049), 'codex') $$), '23514 session_logs_source_path_check', 'nor a path');
select is(pg_temp.owner($$ select api.begin_session_log('/b', 'No Format') $$), '23514 session_logs_format_check', 'a format has a name');
select is(pg_temp.owner($$ select api.begin_session_log('/b', 'none', header => '{}') $$), '42883 function app.none_log_facts(jsonb) does not exist', 'and functions');
select is(pg_temp.owner($$ select api.finish_session_log('session-one', 'upload-session-default', 1, sha256('x'), 2) $$), '22023 the session has no such upload of this content', 'it ends with an upload of its session');
select is(pg_temp.books('session-one'), '6 4 5 999 ba78 - /a 2', 'control: nothing of that was done');

-- It goes on behind what is settled.
select is(
    pg_temp.owner($$
        select concat_ws(' ', begun.session_id, begun.event_count, begun.broken_count, begun.settled_count, begun.settled_bytes, begun.row_version)
        from api.begin_session_log('/moved', 'codex', 'one', 'session-one', true, expected_row_version => 2) as begun
    $$),
    'session-one 5 3 5 999 3',
    'what was not settled is taken out, to be read again'
);
select is(pg_temp.owner($$ select api.begin_session_log('/moved', 'codex', 'one', 'session-one', true, expected_row_version => 2) $$), 'SB409 session log "session-one" was changed by somebody else meanwhile', 'once');
select is(
    pg_temp.owner($$ select added.event_count || ' ' || added.broken_count from api.add_session_events('session-one', '{"{\"type\": \"turn_context\", \"payload\": {\"cwd\": \"/later\"}}"}', '{7}', '{unfinished}', 5, 999, sha256('abc'), 3) as added $$),
    '6 3',
    'a line without a line feed that can be read is read'
);
select is((
    select cwd from app.sessions
    where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-one'
), '/w', 'what was said first of a session stays');

-- Its upload.
select is(
    pg_temp.owner($$
        select put.stored || ' ' || up.session_id || ' ' || up.size_bytes
        from api.put_upload_chunk(sha256('of one'), 'identity', 6, 'of one') as put
        cross join lateral api.store_upload('one', sha256('of one'), 6, array[sha256('of one')], 'external', 'session-one') as up
        where put.stored
    $$),
    'true session-one 6',
    'control: its bytes are stored'
);
select is(
    pg_temp.owner($$
        select concat_ws(' ', done.size_bytes, done.content_sha256 = sha256('of one'), done.row_version)
        from app.session_uploads as up
        cross join lateral api.finish_session_log('session-one', up.id, 6, sha256('of one'), 4) as done
        where up.session_id = 'session-one'
            and up.account_id = '00000000-0000-4000-8000-00000000000a'
    $$),
    '6 t 5',
    'a log that was read to its end has its upload'
);
select is(pg_temp.owner($$ select api.finish_session_log('session-one', 'x', 6, sha256('of one'), 4) $$), 'SB409 session log "session-one" was changed by somebody else meanwhile', 'who does not know how far it was read does not end it');

-- It is written anew.
select is(
    pg_temp.owner($$
        select concat_ws(' ', begun.event_count, begun.broken_count, begun.settled_count, begun.settled_bytes, begun.settled_sha256 = sha256(''), begun.upload_id, begun.content_sha256)
        from api.begin_session_log('/a', 'codex', 'one', 'session-one', header => '{"session": {"id": "one", "cwd": "/new"}}') as begun
    $$),
    '0 0 0 0 t',
    'a log that was written anew begins with nothing'
);
select is(pg_temp.timeline('session-one'), null, 'its timeline is empty');
select is(
    (
        select concat_ws(' ', cwd, coalesce(branch, '-')) from app.sessions
        where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-one'
    ),
    '/new -',
    'and its session is what the new one says'
);
select is((
    select count(*) from app.session_uploads
    where account_id = '00000000-0000-4000-8000-00000000000a' and session_id = 'session-one'
), 1::bigint, 'what it was before is still an upload');

-- Whose is a log.
select is(
    pg_temp.owner($$ select begun.session_id from api.begin_session_log('/b', 'codex', 'one') as begun $$),
    'session-one-' || left(encode(sha256('/b'), 'hex'), 12),
    'another log of the same id has a session of its own, by its path'
);
select is(
    pg_temp.owner($$ select begun.session_id from api.begin_session_log('/b', 'codex', 'one') as begun $$),
    'SB409 the log was begun by somebody else just now',
    'and one only'
);
select is(
    pg_temp.owner($$ select begun.session_id from api.begin_session_log('/c', 'json-lines') as begun $$),
    'session-' || left(encode(sha256('/c'), 'hex'), 32),
    'a log without an id has a session by its path'
);
select is(
    pg_temp.owner($$ select string_agg(found.source_path, ' ' order by found.place) from api.find_session_logs('/b', 'one') with ordinality as found (account_id, session_id, log_id, format, source_path, upload_id, event_count, broken_count, settled_count, settled_bytes, settled_sha256, size_bytes, content_sha256, created_at, updated_at, row_version, place) $$),
    '/b /a',
    'a file may be any log of its id, that of its path first'
);
select is(pg_temp.owner($$ select string_agg(source_path, ' ') from api.find_session_logs('/c', 'other') $$), '/c', 'or that of its path, if that has no id');
select is(pg_temp.owner($$ select string_agg(source_path, ' ') from api.find_session_logs('/b', 'other') $$), null, 'not one with another id');
select is(pg_temp.owner($$ select string_agg(source_path, ' ') from api.find_session_logs('/b') $$), null, 'and not one with an id, if it has none');
select is(pg_temp.owner($$ select count(*) from api.find_session_logs('/nowhere', 'nothing') $$), '0', 'or none');

-- A time to come is none.
select is(
    pg_temp.owner($$ select begun.session_id from api.begin_session_log('/e', 'codex', 'later', began_at => now() + interval '1 year') as begun $$),
    'session-later',
    'control: a log whose clock is wrong'
);
select ok((
    select created_at <= clock_timestamp() from app.sessions
    where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-later'
), 'a session did not begin in the future');
select is(
    pg_temp.owner($$ select added.event_count from api.add_session_events('session-later', '{"{\"timestamp\": \"2999-01-01T00:00:00Z\", \"type\": \"event_msg\", \"payload\": {}}"}', '{1}', '{null}', 1, 1, sha256(''), 1) as added $$),
    '1',
    'control: an entry whose clock is wrong'
);
select ok((
    select updated_at <= clock_timestamp() from app.sessions
    where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-later'
), 'nor did it change there');
select is((
    select occurred_at from app.session_events
    where account_id = '00000000-0000-4000-8000-00000000000a' and session_id = 'session-later'
), '2999-01-01 00:00:00Z'::timestamptz, 'the entry says what the log says');

-- Reading.
select is(pg_temp.owner($$ select log_id from api.get_session_log('session-one') $$), 'one', 'the log of a session');
select is(pg_temp.owner($$ select log_id from api.get_session_log('session-none') $$), null, 'none, where there is none');

insert into app.session_events (account_id, session_id, event_index, event_type)
select
    known.account_id,
    known.session_id,
    entry.number,
    'of many' as event_type
from app.session_logs as known
cross join generate_series(1, 9) as entry (number)
where known.session_id = 'session-later';
create function pg_temp.page(p_arguments text)
returns text
language sql
return pg_temp.owner(format('select string_agg(event_index::text, '' '') from api.list_session_events(''session-later''%s)', p_arguments));

select is(pg_temp.page(''), '0 1 2 3 4 5 6 7 8 9', 'a timeline is read in order');
select is(pg_temp.page(', page_size => 3'), '0 1 2', 'a page at a time, from its begin');
select is(pg_temp.page(', after_index => 2, page_size => 3'), '3 4 5', 'behind an index');
select is(pg_temp.page(', before_index => 5, page_size => 3'), '2 3 4', 'before one, in order all the same');
select is(pg_temp.page(', newest => true, page_size => 3'), '7 8 9', 'or its end');
select is(pg_temp.page(', after_index => 9'), null, 'behind the last there is none');
select is(pg_temp.page(', before_index => 0'), null, 'before the first neither');
select is(pg_temp.page(', after_index => 1, before_index => 5'), '22023 a page is after a row, before a row, or the newest', 'a page is asked for in one way');
select is(pg_temp.page(', newest => true, before_index => 5'), '22023 a page is after a row, before a row, or the newest', 'and not in another too');
select is(pg_temp.page(', page_size => 0'), '22023 a page has 1 to 1000 rows', 'a page has a row');
select is(pg_temp.page(', page_size => 1001'), '22023 a page has 1 to 1000 rows', 'and not too many');

-- With its session a log goes, and nothing else.
select is(pg_temp.owner($$ with gone as (delete from app.sessions where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-later' returning 1) select count(*) from gone $$), '1', 'control: a session is removed');
select is(pg_temp.books('session-later'), null, 'its log''s books go along');
select isnt(pg_temp.books('session-one'), null, 'and no other''s');
select is(pg_temp.owner($$ delete from app.session_uploads where account_id = '00000000-0000-4000-8000-00000000000a' and session_id = 'session-one' returning id like 'upload_%' $$), 'true', 'control: an upload is removed');
select isnt(pg_temp.books('session-one'), null, 'the books of its log stay');

select finish();
rollback;
