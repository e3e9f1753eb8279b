-- Who may execute which function, exactly. One more or one less fails.
begin;
select plan(9);

create temporary view function_privilege as
select
    acl.grantee::regrole::text as role,
    acl.grantor,
    routine.proowner,
    acl.is_grantable,
    routine.oid::regprocedure::text as function
from pg_proc as routine
cross join aclexplode(coalesce(routine.proacl, acldefault('f', routine.proowner))) as acl
where
    routine.oid::regprocedure::text ~ '^(app|api|legacy|sync|ops)\.'
    and acl.grantee <> routine.proowner;

select is_empty($$ select function from function_privilege where role = 'app_user' $$, 'app_user: none');
select is_empty($$ select function from function_privilege where role = 'app_server' $$, 'app_server: none');
select is_empty($$ select function from function_privilege where role = 'electric_repl' $$, 'electric_repl: none');
select is_empty($$ select function from function_privilege where role = 'electric_read' $$, 'electric_read: none');
select is_empty($$ select function from function_privilege where role = 'reviewer' $$, 'reviewer: none');
select set_eq(
    $$ select function from function_privilege where role = 'importer' $$,
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
    'importer: the ten steps and reports of an import'
);
select set_eq(
    $$ select function from function_privilege where role = 'import_definer' $$,
    array['app.default_thread_title(text)', 'app.message_preview(text)'],
    'import_definer: two functions that are not its own'
);
select is_empty(
    $$
        select role, function
        from function_privilege
        where role not in ('importer', 'import_definer')
            or is_grantable
            or grantor <> proowner
    $$,
    'nobody else any, and nobody may pass one on'
);
select set_eq(
    $$ select function from function_privilege where role = 'importer' $$,
    $$
        select oid::regprocedure::text
        from pg_proc
        where prosecdef
            and pronamespace <> 'tap'::regnamespace
            and pronamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
    $$,
    'what importer may execute is what is security definer, and nothing else is'
);

select finish();
rollback;
