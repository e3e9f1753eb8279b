-- Misalignments by functions: who may, what comes back, from which status to which, pages.
-- Who the personas are is in lib/personas.sql, how they call in lib/reach_calls.sql.
begin;
select plan(129);

select tests.cast_personas();

-- 1. Who may, and what the others are told.
insert into tests.reach_call (what, target, call, to_readers, to_others)
values
(
    'report_misalignment',
    'app.misalignments',
    'api.report_misalignment(%2$L, ''rule'', ''title'', ''summary'', ''low'', account_id => %1$L)',
    '42501 row-level security',
    'SB404 there is no session "%2$s" that you may see'
),
(
    'move_misalignment',
    'app.misalignments',
    'api.move_misalignment(''misalignment-'' || %2$L, ''dismissed'', account_id => %1$L)',
    '42501 you may read misalignment "misalignment-%2$s", and not change it',
    'SB404 there is no misalignment "misalignment-%2$s" that you may see'
),
('get_misalignment', 'app.misalignments', 'api.get_misalignment(''misalignment-'' || %2$L, %1$L)', null, null),
('list_misalignments', 'app.misalignments', 'api.list_misalignments(%2$L, account_id => %1$L)', null, null);
select tests.reach_calls_come_out();

-- 2. What comes back.
select tests.call_as(
    'reported',
    'owner',
    $$api.report_misalignment('session-new', 'no-secrets', 'A secret', 'It wrote one down', 'critical', '{"from": 1, "to": 2}', '[{"path": "x"}]')$$
);
select is(
    tests.answer_of('reported') - '{txid,id,created_at,updated_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-new", "rule_id": "no-secrets", "title": "A secret",
        "summary": "It wrote one down", "severity": "critical", "status": "open", "event_range": {"from": 1, "to": 2}, "evidence": [{"path": "x"}],
        "row_version": 1, "author_account_id": "00000000-0000-4000-8000-00000000000a"
    }'::jsonb,
    'report_misalignment: what is given is kept, and it is open'
);
select matches(tests.answer_of('reported') ->> 'id', '^misalignment_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'report_misalignment makes the id');
select ok(
    tests.answer_of('reported') ->> 'created_at' = tests.answer_of('reported') ->> 'updated_at'
    and (tests.answer_of('reported') ->> 'created_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
    and (tests.answer_of('reported') ->> 'created_at')::timestamptz = date_trunc('milliseconds', (tests.answer_of('reported') ->> 'created_at')::timestamptz),
    'report_misalignment: it is found now, in whole milliseconds'
);
select is(
    (
        select account_id::text
        from app.sessions
        where id = 'session-new'
    ),
    '00000000-0000-4000-8000-00000000000a',
    'report_misalignment opens one''s own session'
);
select tests.call_as(
    'reported by an editor',
    'editor',
    $$api.report_misalignment('session-default', 'rule', 'title', 'summary', 'info', account_id => '00000000-0000-4000-8000-00000000000a')$$
);
select is(
    tests.answer_of('reported by an editor') - '{txid,id,created_at,updated_at}'::text[],
    '{
        "account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-default", "rule_id": "rule", "title": "title",
        "summary": "summary", "severity": "info", "status": "open", "event_range": null, "evidence": [],
        "row_version": 1, "author_account_id": "00000000-0000-4000-8000-00000000000d"
    }'::jsonb,
    'report_misalignment: what an editor reports is the owner''s, and says who reported it; without evidence there is none'
);
select results_eq(
    format('select tests.rows_as(''owner'', %L)', format('api.get_misalignment(%L)', tests.answer_of('reported') ->> 'id')),
    $$ select tests.answer_of('reported') - 'txid' $$,
    'get_misalignment gives what is kept'
);
select is_empty($$ select tests.rows_as('owner', 'api.get_misalignment(''none'')') $$, 'get_misalignment: one that is not there');
select
    is(
        tests.refusal_of('owner', made.call),
        made.refusal,
        'without a word of what it says: ' || made.call
    )
from (
    values
    (
        'api.report_misalignment(''session-default'', ''rule'', ''title'', ''summary'', ''worst'')',
        '23514 new row for relation "misalignments" violates check constraint "misalignments_severity_check"'
    ),
    (
        'api.report_misalignment(''session-default'', ''rule'', ''title'', ''summary'', ''low'', ''[]'')',
        '23514 new row for relation "misalignments" violates check constraint "misalignments_event_range_check"'
    ),
    (
        'api.report_misalignment(''session-default'', ''rule'', ''title'', ''summary'', ''low'', evidence => ''{}'')',
        '23514 new row for relation "misalignments" violates check constraint "misalignments_evidence_check"'
    ),
    (
        'api.report_misalignment(''session-default'', ''rule'', null, ''summary'', ''low'')',
        '23502 null value in column "title" of relation "misalignments" violates not-null constraint'
    )
) as made (call, refusal);

-- Whether it may be seen and changed comes before where it is moved.
select
    is(
        tests.brief_refusal_of(persona.name, 'api.move_misalignment(''misalignment-session-default'', ''closed'', account_id => ''00000000-0000-4000-8000-00000000000a'')'),
        persona.refusal,
        'a move that is not allowed, ' || persona.name
    )
from (
    values
    ('editor', 'SB422 misalignment "misalignment-session-default" can not be moved there'),
    ('viewer', '42501 you may read misalignment "misalignment-session-default", and not change it'),
    ('stranger', 'SB404 there is no misalignment "misalignment-session-default" that you may see'),
    ('disabled account', '28000 nobody may write here without an account')
) as persona (name, refusal);

-- 3. From each status to each: the three by three, and to what is no status.
create function pg_temp.comes_to(p_from text, p_to text)
returns text
language plpgsql
as $$
declare
    v_before jsonb;
    v_given jsonb;
    v_kept jsonb;
    v_refusal text;
begin
    insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity, status, created_at, updated_at)
    values (
        '00000000-0000-4000-8000-00000000000a',
        'in-question',
        'session-default',
        'rule',
        'title',
        'summary',
        'low',
        p_from,
        '2000-01-01 00:00:00+00',
        '2001-01-01 00:00:00+00'
    )
    returning to_jsonb(misalignments) into v_before;
    v_refusal := tests.refusal_of('owner', format('api.move_misalignment(''in-question'', %L)', p_to));
    if v_refusal <> 'it was not refused' then
        raise sqlstate 'SB999' using message = v_refusal;
    end if;

    v_given := tests.rows_as('owner', format('api.move_misalignment(''in-question'', %L)', p_to));
    select to_jsonb(misalignment)
    into v_kept
    from app.misalignments as misalignment
    where id = 'in-question';
    raise sqlstate 'SB999' using message = concat_ws(
        ', ',
        v_given ->> 'status',
        case when v_given - 'txid' = v_kept then 'as it is kept' end,
        case when v_kept = v_before then 'unchanged' end,
        case
            when v_kept - '{status,updated_at,row_version}'::text[] <> v_before - '{status,updated_at,row_version}'::text[] then 'more than it should'
            when (v_kept ->> 'row_version')::bigint = (v_before ->> 'row_version')::bigint + 1
                and (v_kept ->> 'updated_at')::timestamptz between date_trunc('milliseconds', now()) and clock_timestamp()
                then 'raised'
        end
    );
exception
    when sqlstate 'SB999' then
        return sqlerrm;
end;
$$;

select
    is(
        pg_temp.comes_to(split_part(move, ' ', 1), split_part(move, ' ', 3)),
        outcome,
        move
    )
from (
    values
    ('open to open', 'open, as it is kept, unchanged'),
    ('open to acknowledged', 'acknowledged, as it is kept, raised'),
    ('open to dismissed', 'dismissed, as it is kept, raised'),
    ('acknowledged to open', 'open, as it is kept, raised'),
    ('acknowledged to acknowledged', 'acknowledged, as it is kept, unchanged'),
    ('acknowledged to dismissed', 'dismissed, as it is kept, raised'),
    ('dismissed to open', 'open, as it is kept, raised'),
    ('dismissed to acknowledged', 'acknowledged, as it is kept, raised'),
    ('dismissed to dismissed', 'dismissed, as it is kept, unchanged')
) as allowed (move, outcome);
select
    is(
        pg_temp.comes_to(before.status, after.status),
        format(
            E'SB422 misalignment "in-question" can not be moved there\nFrom %s to %s is no move that is allowed.\nMove it to open, acknowledged or dismissed.',
            before.status,
            coalesce(after.status, 'null')
        ),
        format('%s to %s', before.status, coalesce(after.status, 'null'))
    )
from unnest('{open,acknowledged,dismissed}'::text[]) as before (status)
cross join unnest('{closed,"",OPEN,null}'::text[]) as after (status);

select tests.call_as('expected', 'owner', format('api.move_misalignment(%L, ''acknowledged'', 1)', tests.answer_of('reported') ->> 'id'));
select is(
    tests.answer_of('expected') - '{txid,updated_at}'::text[],
    tests.answer_of('reported') - '{txid,updated_at}'::text[] || '{"status": "acknowledged", "row_version": 2}',
    'move_misalignment: the row_version that it has is taken'
);
select
    is(
        tests.refusal_of('owner', format('api.move_misalignment(%L, %L, 1)', tests.answer_of('reported') ->> 'id', status)),
        format(
            E'SB409 misalignment "%s" was changed by somebody else meanwhile\nIts row_version is 2, and 1 was expected.\nRead it again, and decide whether your change still holds.',
            tests.answer_of('reported') ->> 'id'
        ),
        'move_misalignment: a row_version that it does not have, to ' || status
    )
from unnest('{open,acknowledged,dismissed,closed}'::text[]) as status;
update app.misalignments
set updated_at = '2999-01-01 00:00:00+00'
where id = tests.answer_of('reported') ->> 'id';
select tests.call_as('in the future', 'owner', format('api.move_misalignment(%L, ''open'')', tests.answer_of('reported') ->> 'id'));
select is(
    (tests.answer_of('in the future') ->> 'updated_at')::timestamptz,
    '2999-01-01 00:00:00+00'::timestamptz,
    'move_misalignment: updated_at never goes back'
);
select is_empty(
    $$ select step from tests.answer where (fields ->> 'txid')::bigint is distinct from pg_current_xact_id()::xid::text::bigint $$,
    'every write names the transaction that wrote'
);

-- What was there already names the transaction that wrote it. Here that is a subtransaction.
create function pg_temp.move_in_a_subtransaction()
returns void
language plpgsql
as $$
begin
    perform tests.rows_as('owner', 'api.move_misalignment(''misalignment-session-default'', ''dismissed'')');
exception
    when division_by_zero then
        null;
end;
$$;
select pg_temp.move_in_a_subtransaction();
select tests.call_as('where it is', 'owner', $$api.move_misalignment('misalignment-session-default', 'dismissed')$$);
select results_eq(
    $$
        select xmin::text::bigint, pg_current_xact_id()::xid::text::bigint = xmin::text::bigint
        from app.misalignments
        where id = 'misalignment-session-default'
            and account_id = '00000000-0000-4000-8000-00000000000a'
    $$,
    $$ select (tests.answer_of('where it is') ->> 'txid')::bigint, false $$,
    'to the status that it has: the transaction that moved it there'
);

-- 4. Pages, by created_at and id. Two are of the same time; they were written in no order.
insert into app.sessions (account_id, id)
values ('00000000-0000-4000-8000-00000000000a', 'session-paged');
insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity, status, created_at, updated_at)
select
    '00000000-0000-4000-8000-00000000000a' as account_id,
    'p' || number as id,
    'session-paged' as session_id,
    'rule' as rule_id,
    'title' as title,
    'summary' as summary,
    'low' as severity,
    case when number % 2 = 0 then 'dismissed' else 'open' end as status,
    now() + case when number = 4 then 3 else number end * interval '1 minute' as created_at,
    now() + interval '1 hour' as updated_at
from unnest('{5,2,7,1,4,3,6}'::integer[]) as number;
insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity, created_at, updated_at)
values (
    '00000000-0000-4000-8000-00000000000a',
    'p35',
    'session-default',
    'rule',
    'title',
    'summary',
    'low',
    now() + interval '3 minutes',
    now() + interval '3 minutes'
);
select tests.pages_come_out('api.list_misalignments(''session-paged'', %s)', 'misalignment', 'p35');
select is(tests.ids_as('owner', $$api.list_misalignments('session-paged', 'dismissed')$$), 'p2 p4 p6', 'list_misalignments: of one status');
select is(
    tests.walk_as('owner', 'api.list_misalignments(''session-paged'', ''dismissed'', %s)', 2, p_backward => true),
    'p4 p6 | p2',
    'list_misalignments: of one status, backward'
);
select is(tests.ids_as('owner', $$api.list_misalignments('session-paged', 'acknowledged')$$), 'none', 'list_misalignments: of a status that none has');
select is(tests.ids_as('owner', $$api.list_misalignments('session-none')$$), 'none', 'list_misalignments: of a session that is not there');

select finish();
rollback;
