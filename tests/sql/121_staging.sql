-- A batch on its way in: the connection's own staging table, whose it must be, and what is read off each staged record.
begin;
select plan(34);

insert into app.accounts (id, name)
values ('00000000-0000-4000-8000-00000000000a', 'first');
insert into legacy.import_runs (id, account_id, tool_version)
overriding system value
values (800, '00000000-0000-4000-8000-00000000000a', '1');

-- A table, or what passes for one, that is not the one legacy.open_staging makes.
create function pg_temp.with_another(p_role name, p_made text, p_step text)
returns text
language plpgsql
as $$
begin
    execute format('set local role %I', p_role);
    execute p_made;
    set local role importer;
    execute p_step;
    return 'not refused';
exception
    when others then
        return sqlstate;
end;
$$;

select
    is(
        pg_temp.with_another(role, made, step),
        'SB004',
        format('with a %s of %s''s in its place this is refused: %s', substr(made, 8, 15), role, step)
    )
from (
    values
    ('importer'::name, 'create temporary table staged_records (run_id bigint, kind text, ordinal bigint, byte_offset bigint, raw bytea, sha256 bytea, fault text)'),
    ('importer', 'create temporary view staged_records as select 800::bigint as run_id, ''threads''::text as kind'),
    ('reviewer', 'create temporary table staged_records (run_id bigint, kind text, ordinal bigint, byte_offset bigint, raw bytea, sha256 bytea, fault text)')
) as other (role, made)
cross join unnest(array[
    'select legacy.open_staging()',
    'select legacy.import_batch(800, 1, ''threads'', 0, 0, 0, 0, '''')',
    'select legacy.load_batch(800, 1, ''threads'', 0)'
]) as step;
select is(
    pg_temp.with_another('importer', 'select 1', 'select legacy.import_batch(800, 1, ''threads'', 0, 0, 0, 0, '''')'),
    'SB004',
    'a batch is refused where there is no staging table'
);
reset role;

set local role importer;
select lives_ok('select legacy.open_staging()', 'importer has its staging table made');
select lives_ok('select legacy.open_staging()', 'once more does no harm');
reset role;
select results_eq(
    $$ select attname::text, atttypid::regtype::text, attnotnull from pg_attribute where attrelid = 'pg_temp.staged_records'::regclass and attnum > 0 and not attisdropped order by attnum $$,
    $$ select attname::text, atttypid::regtype::text, attnotnull from pg_attribute where attrelid = 'legacy.staged_records'::regclass and attnum > 0 and not attisdropped order by attnum $$,
    'it has the columns of legacy.staged_records, in their order'
);
select set_eq(
    $$
        select grantee::regrole || ' ' || privilege_type
        from pg_class
        cross join aclexplode(relacl)
        where oid = 'pg_temp.staged_records'::regclass
            and grantee <> relowner
    $$,
    '{importer INSERT}'::text[],
    'importer may put records in, and nobody anything else'
);
select table_owner_is('staged_records', 'import_definer', 'the import functions own it');

-- Whose attempt it is, and how many records there are.
create function pg_temp.outcome(p_step text)
returns text
language plpgsql
as $$
begin
    set local role importer;
    execute p_step;
    reset role;
    return 'done';
exception
    when others then
        return sqlstate;
end;
$$;

select is(pg_temp.outcome(step), expected, format('%s: %s, %s', step, expected, behaviour))
from (
    values
    ('select legacy.import_batch(800, 2, ''threads'', 0, 0, 0, 0, '''')', 'SB004', 'an attempt that is not the last'),
    ('select legacy.import_batch(801, 1, ''threads'', 0, 0, 0, 0, '''')', 'SB004', 'a run that is not there'),
    ('select legacy.import_batch(800, 1, ''threads'', 0, 0, 1, 0, '''')', 'SB003', 'a record announced and not staged'),
    ('select legacy.import_batch(800, 1, ''todos'', 0, 0, 0, 0, '''')', '23514', 'a kind that is none'),
    ('select legacy.stage_batch(800, 2, ''threads'', 0, 0, 0, 0, '''')', 'SB004', 'an attempt that is not the last'),
    ('select legacy.finish_import(800, 1)', 'SB003', 'files that are not registered')
) as attempt (step, expected, behaviour);

-- What is read off a record. Each has fields that only another kind has, and they are not looked at.
insert into pg_temp.staged_records (run_id, kind, ordinal, byte_offset, raw, sha256, fault)
select
    800 as run_id,
    staged.kind,
    staged.ordinal,
    staged.ordinal * 10 as byte_offset,
    convert_to(staged.raw, 'UTF8') as raw,
    sha256(convert_to(staged.raw, 'UTF8')) as sha256,
    staged.fault
from (
    values
    ('threads', 0, '{"id": "a", "sessionId": "s", "mode": "general", "title": "t", "status": "active", "messageCount": 0, "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-02T00:00:00.000Z", "startedAt": "nonsense", "completedAt": "nonsense"}', null),
    ('messages', 0, '{"id": "a", "sessionId": "s", "mode": "session", "threadId": "t", "role": "user", "content": "c", "createdAt": "2026-01-01T05:45:00+05:45", "updatedAt": "2026-01-02T00:00:00.000Z", "startedAt": "2020-01-01T00:00:00.000Z"}', null),
    ('tool_events', 0, '{"id": "a", "sessionId": "s", "threadId": null, "toolCallId": null, "toolName": "n", "status": "pending", "startedAt": "2026-01-01T00:00:00.000Z", "createdAt": "nonsense", "updatedAt": "nonsense", "mode": "general"}', null),
    ('tool_events', 1, '{"id": "b", "sessionId": "s", "threadId": "t", "toolCallId": null, "toolName": "n", "status": "failed", "startedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-03T00:00:00.000Z"}', null),
    ('tool_events', 2, '{"id": "c", "sessionId": "s"}', null),
    ('tool_events', 3, '{"id": "d"', null),
    ('tool_events', 4, '{"id": "e"', 'cut_off'),
    ('tool_events', 5, '[1]', null),
    ('tool_events', 6, '{"id": "f", "sessionId": "s", "threadId": null, "toolCallId": null, "toolName": "\u0000", "status": "pending", "startedAt": "2026-01-01T00:00:00.000Z"}', null)
) as staged (kind, ordinal, raw, fault);
insert into legacy.import_batches (run_id, kind, number, first_ordinal, record_count, end_byte, prefix_sha256)
values
(800, 'threads', 0, 0, 1, 0, ''),
(800, 'messages', 0, 0, 1, 0, ''),
(800, 'tool_events', 0, 0, 7, 0, '');
set local timezone = 'Asia/Kathmandu';
select
    lives_ok(
        format('select legacy.judge_batch(800, ''00000000-0000-4000-8000-00000000000a'', %L, 0, false)', kind),
        kind || ' are judged'
    )
from unnest('{threads,messages,tool_events}'::text[]) as kind;

create function pg_temp.judged(p_kind text, p_ordinal bigint)
returns text
language sql
as $$
    select concat_ws(
        ' ',
        coalesce(fate, case when is_plain then 'plain' else 'not plain' end),
        reason, field, sqlstate, nullif(mends, '{}'), record_id, session_id, coalesce(thread_id, '-'), mode,
        extract(epoch from began_at - '2026-01-01T00:00:00Z')::bigint,
        extract(epoch from ended_at - '2026-01-01T00:00:00Z')::bigint
    )
    from legacy.judged_records
    where run_id = 800
        and kind = p_kind
        and ordinal = p_ordinal
$$;

select is(pg_temp.judged(kind, ordinal), expected, format('%s: %s', kind, behaviour))
from (
    values
    ('threads', 0, 'plain a s - general 0 86400', 'a thread begins at createdAt and ends at updatedAt'),
    ('messages', 0, 'not plain a s t session 0 86400', 'a message begins at createdAt and ends at updatedAt, in whatever zone'),
    ('tool_events', 0, 'plain a s - session 0 0', 'a tool event under way ends when it began, and is of mode session'),
    ('tool_events', 1, 'plain b s t session 0 172800', 'a tool event that is over ends at completedAt'),
    ('tool_events', 2, 'quarantined missing toolName -', 'a record with a fault is kept out, and nothing else is read off it'),
    ('tool_events', 3, 'quarantined not_json 22P02 -', 'what is no JSON is kept out, with the SQLSTATE'),
    ('tool_events', 4, 'quarantined cut_off -', 'what the reader found is not read again'),
    ('tool_events', 5, 'quarantined not_an_object -', 'what is no object is kept out'),
    ('tool_events', 6, 'not plain {"toolName": {"reason": "character_replaced"}} f s - session 0 0', 'what had to be replaced is no plain record')
) as attempt (kind, ordinal, expected, behaviour);
select is(
    (
        select row(fates, record_ids, byte_offsets)::text
        from legacy.import_batches
        where
            run_id = 800
            and kind = 'tool_events'
    ),
    '(iiiiiii,"{NULL,NULL,NULL,NULL,NULL,NULL,NULL}","{0,10,20,30,40,50,60}")',
    'the batch has a place for what becomes of each'
);

select finish();
rollback;
