-- How functions are made: definers pin their search_path and say why they are definers; volatility is what it must be.
begin;
select plan(11);

create temporary view our_functions as
select
    oid::regprocedure::text as signature,
    proowner,
    proconfig,
    prosecdef,
    prosrc,
    prokind,
    provolatile,
    proleakproof,
    substring(pg_get_functiondef(oid) from '\n LANGUAGE (\w+)') as language
from pg_proc
where pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'ops'::regnamespace);

select set_eq(
    'select signature from our_functions where prosecdef',
    array[
        'legacy.find_account(text)',
        'legacy.begin_import(uuid,text)',
        'legacy.register_file(bigint,text,text,bytea,bigint,bigint)',
        'legacy.import_threads(bigint)',
        'legacy.import_messages(bigint)',
        'legacy.import_tool_events(bigint)',
        'legacy.finish_import(bigint)',
        'legacy.import_summary(bigint)',
        'legacy.import_totals(bigint)',
        'legacy.import_notes(bigint,bigint)'
    ],
    'which functions are security definer'
);
select is_empty(
    $$
        select signature
        from our_functions
        where prosecdef
            and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    $$,
    'every security definer function pins its search_path, pg_temp last'
);
select is_empty(
    $$
        select signature
        from our_functions
        where prosecdef
            and proowner <> 'import_definer'::regrole
    $$,
    'every security definer function is import_definer''s'
);
select is_empty(
    $$
        select signature
        from our_functions
        where prosecdef
            and prosrc !~ '-- Definer: \S.*\.\n'
    $$,
    'every security definer function says in one line why it is one'
);
select is_empty(
    $$
        select signature
        from our_functions
        where not prosecdef
            and prosrc ~ 'Definer:'
    $$,
    'no other function says so'
);
select is_empty(
    $$
        select signature
        from our_functions
        where language = 'plpgsql'
            and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    $$,
    'every plpgsql function pins its search_path, pg_temp last'
);
-- A set clause would keep Postgres from inlining these, which are called for every record.
select set_eq(
    $$
        select signature
        from our_functions
        where not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    $$,
    $$
        select signature
        from our_functions
        where language = 'sql'
            and (provolatile = 'i' or signature in ('legacy.began_at(text,jsonb)', 'legacy.ended_at(text,jsonb)'))
    $$,
    'the functions without a pinned search_path are the sql ones that read no table'
);
select is_empty(
    $$
        select signature
        from our_functions
        where language not in ('sql', 'plpgsql')
            or proleakproof
            or prokind <> 'f'
    $$,
    'all are plain functions in sql or plpgsql, and none claims to be leakproof'
);
select set_eq(
    $$ select signature from our_functions where provolatile = 'i' $$,
    array[
        'app.default_thread_title(text)',
        'app.message_preview(text)',
        'legacy.has_duplicate_field(text,jsonb)',
        'legacy.is_id(text)',
        'legacy.is_time(text)',
        'legacy.made_thread_id(text[])',
        'legacy.mend(jsonb,text,text,jsonb)',
        'legacy.mended(jsonb,jsonb)',
        'legacy.message_fault(jsonb)',
        'legacy.record_fault(text,jsonb)',
        'legacy.text_fault(jsonb,text[],boolean)',
        'legacy.thread_fault(jsonb)',
        'legacy.tool_event_fault(jsonb)'
    ],
    'which functions are immutable'
);
select set_eq(
    $$ select signature from our_functions where provolatile = 's' $$,
    array[
        'legacy.began_at(text,jsonb)',
        'legacy.check_sums(bigint)',
        'legacy.ended_at(text,jsonb)',
        'legacy.find_account(text)',
        'legacy.import_notes(bigint,bigint)',
        'legacy.import_summary(bigint)',
        'legacy.import_totals(bigint)',
        'legacy.staged_needs(bigint,text)'
    ],
    'which functions are stable; all others write'
);
-- Where a text becomes a time, the session's TimeZone must not decide which.
select is_empty(
    $$
        select signature
        from our_functions
        where prosrc ~ '::timestamptz'
            and provolatile = 'v'
            and not proconfig @> '{TimeZone=UTC}'
            and not proconfig @> '{timezone=UTC}'
    $$,
    'every function that writes what it reads as a time pins the time zone'
);

select finish();
rollback;
