-- Hook decisions by functions: who may, what comes back, what is refused, pages.
-- Who the personas are is in lib/personas.sql, how they call in lib/reach_calls.sql.
begin;
select plan(79);

select tests.cast_personas();

-- 1. Who may, and what the others are told.
insert into tests.reach_call (what, target, call, to_readers, to_others)
values
(
    'record_hook_decision',
    'app.hook_decisions',
    'api.record_hook_decision(%2$L, ''hook'', ''hash'', ''low'', true, account_id => %1$L)',
    '42501 row-level security',
    'SB404 there is no session "%2$s" that you may see'
),
('get_hook_decision', 'app.hook_decisions', 'api.get_hook_decision(''decision-'' || %2$L, %1$L)', null, null),
('list_hook_decisions', 'app.hook_decisions', 'api.list_hook_decisions(%2$L, account_id => %1$L)', null, null);
select tests.reach_calls_come_out();

-- 2. What comes back.
select tests.call_as(
    'recorded',
    'owner',
    $$api.record_hook_decision('session-new', 'pre-commit', 'sha256:x', 'high', true, '["no-secrets"]', 'not like this', '{"line": 3}')$$
);
select is(
    tests.answer_of('recorded') - '{txid,id,created_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-new", "source": "pre-commit", "content_hash": "sha256:x",
        "severity": "high", "blocked": true, "rules": ["no-secrets"], "message": "not like this", "annotations": {"line": 3},
        "row_version": 1, "author_account_id": "00000000-0000-4000-8000-00000000000a"
    }'::jsonb,
    'record_hook_decision: what is given is kept'
);
select matches(tests.answer_of('recorded') ->> 'id', '^hook_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'record_hook_decision makes the id');
select ok(
    (tests.answer_of('recorded') ->> 'created_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
    and (tests.answer_of('recorded') ->> 'created_at')::timestamptz = date_trunc('milliseconds', (tests.answer_of('recorded') ->> 'created_at')::timestamptz),
    'record_hook_decision: it is decided now, in whole milliseconds'
);
select is(
    (
        select account_id::text
        from app.sessions
        where id = 'session-new'
    ),
    '00000000-0000-4000-8000-00000000000a',
    'record_hook_decision opens one''s own session'
);
select tests.call_as(
    'recorded by an editor',
    'editor',
    $$api.record_hook_decision('session-default', 'hook', 'hash', 'info', false, account_id => '00000000-0000-4000-8000-00000000000a')$$
);
select is(
    tests.answer_of('recorded by an editor') - '{txid,id,created_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-default", "source": "hook", "content_hash": "hash",
        "severity": "info", "blocked": false, "rules": [], "message": null, "annotations": null,
        "row_version": 1, "author_account_id": "00000000-0000-4000-8000-00000000000d"
    }'::jsonb,
    'record_hook_decision: what an editor''s hook decides is the owner''s, and says whose hook it was; what is left out is none'
);
select is_empty(
    $$ select step from tests.answer where (fields ->> 'txid')::bigint is distinct from pg_current_xact_id()::xid::text::bigint $$,
    'every write names the transaction that wrote'
);
select results_eq(
    format('select tests.rows_as(''owner'', %L)', format('api.get_hook_decision(%L)', tests.answer_of('recorded') ->> 'id')),
    $$ select tests.answer_of('recorded') - 'txid' $$,
    'get_hook_decision gives what is kept'
);
select is_empty($$ select tests.rows_as('owner', 'api.get_hook_decision(''none'')') $$, 'get_hook_decision: one that is not there');
select
    is(
        tests.refusal_of('owner', made.call),
        made.refusal,
        'without a word of what it says: ' || made.call
    )
from (
    values
    (
        'api.record_hook_decision(''session-default'', ''hook'', ''hash'', ''worst'', true)',
        '23514 new row for relation "hook_decisions" violates check constraint "hook_decisions_severity_check"'
    ),
    (
        'api.record_hook_decision(''session-default'', ''hook'', ''hash'', ''low'', true, ''{}'')',
        '23514 new row for relation "hook_decisions" violates check constraint "hook_decisions_rules_check"'
    ),
    (
        'api.record_hook_decision(''session-default'', ''hook'', ''hash'', ''low'', null)',
        '23502 null value in column "blocked" of relation "hook_decisions" violates not-null constraint'
    )
) as made (call, refusal);

-- 3. Pages, by created_at and id. Two are of the same time; they were written in no order.
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-paged');
insert into app.hook_decisions (account_id, id, session_id, source, content_hash, severity, blocked, created_at)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    'p' || number as id,
    'session-paged' as session_id,
    'hook' as source,
    'hash' as content_hash,
    'low' as severity,
    false as blocked,
    now() + case when number = 4 then 3 else number end * interval '1 minute' as created_at
from unnest('{5,2,7,1,4,3,6}'::integer[]) as number;
insert into app.hook_decisions (account_id, id, session_id, source, content_hash, severity, blocked, created_at)
values ('00000000-0000-4000-8000-00000000000a', 'p35', 'session-default', 'hook', 'hash', 'low', false, now() + interval '3 minutes');
select tests.pages_come_out('api.list_hook_decisions(''session-paged'', %s)', 'hook decision', 'p35');
select is(tests.ids_as('owner', $$api.list_hook_decisions('session-none')$$), 'none', 'list_hook_decisions: of a session that is not there');

select finish();
rollback;
