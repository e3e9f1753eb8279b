-- What the import reads off a record: its times, and fields that stand twice; and the ids of the threads it makes.
begin;
select plan(16);

select is(
    legacy.began_at('messages', '{"createdAt": "2026-01-01T00:00:00Z", "startedAt": "2020-01-01T00:00:00Z"}'),
    '2026-01-01T00:00:00Z'::timestamptz,
    'a message begins at createdAt'
);
select is(
    legacy.began_at('tool_events', '{"createdAt": "nonsense", "startedAt": "2020-01-01T00:00:00Z"}'),
    '2020-01-01T00:00:00Z'::timestamptz,
    'a tool event begins at startedAt, and no other field of it is read'
);
select is(
    legacy.ended_at('threads', '{"updatedAt": "2026-01-01T00:00:00Z", "completedAt": "nonsense"}'),
    '2026-01-01T00:00:00Z'::timestamptz,
    'a thread ends at updatedAt'
);
select is(
    legacy.ended_at('tool_events', '{"updatedAt": "nonsense", "startedAt": "2020-01-01T00:00:00Z"}'),
    '2020-01-01T00:00:00Z'::timestamptz,
    'a tool event under way ends when it began'
);
select is(
    legacy.ended_at('tool_events', '{"startedAt": "2020-01-01T00:00:00Z", "completedAt": "2020-01-01T00:00:01Z"}'),
    '2020-01-01T00:00:01Z'::timestamptz,
    'a tool event that is over ends at completedAt'
);

select ok(not legacy.has_duplicate_field(raw, raw::jsonb), raw || ' has no field twice')
from unnest('{"{}","{\"a\": 1, \"b\": 1}","{\"a\": {\"b\": 1}, \"b\": 2}","{\"a\": {\"b\": 1, \"b\": 2}}","[]","1"}'::text[]) as given (raw);
select ok(legacy.has_duplicate_field(raw, raw::jsonb), raw || ' has a field twice')
from unnest('{"{\"a\": 1, \"a\": 1}","{\"a\": 1, \"b\": 2, \"\\u0061\": 3}"}'::text[]) as given (raw);

select is(legacy.made_thread_id('a', 'b'), legacy.made_thread_id('a', 'b'), 'the same parts make the same id');
select isnt(legacy.made_thread_id('a b', 'c'), legacy.made_thread_id('a', 'b c'), 'parts do not run into each other');
select matches(
    legacy.made_thread_id('a'),
    '^thread_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
    'an id looks as the old viewer made them'
);

select finish();
rollback;
