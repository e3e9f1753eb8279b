-- Who may execute which function, exactly. One more or one less fails.
begin;
select plan(11);

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

select set_eq(
    $$ select function from function_privilege where role = 'app_user' $$,
    array['app.carefully_claimed_account_id()', 'app.claimed_account_id()', 'app.current_account_id()'],
    'app_user: the three that say who asks'
);
select set_eq(
    $$ select function from function_privilege where role = 'sessionbase_owner' $$,
    array['app.require_account()'],
    'sessionbase_owner: the trigger that is not its own'
);
select is_empty($$ select function from function_privilege where role = 'app_server' $$, 'app_server: none');
select is_empty($$ select function from function_privilege where role = 'electric_repl' $$, 'electric_repl: none');
select is_empty($$ select function from function_privilege where role = 'electric_read' $$, 'electric_read: none');
select is_empty($$ select function from function_privilege where role = 'reviewer' $$, 'reviewer: none');
select set_eq(
    $$ select function from function_privilege where role = 'importer' $$,
    array[
        'legacy.find_account(text)',
        'legacy.interrupted_run(uuid)',
        'legacy.begin_import(uuid,text,text,boolean,bigint)',
        'legacy.open_staging()',
        'legacy.import_batch(bigint,bigint,text,bigint,bigint,bigint,bigint,bytea,boolean)',
        'legacy.stage_batch(bigint,bigint,text,bigint,bigint,bigint,bigint,bytea)',
        'legacy.begin_build(bigint,bigint)',
        'legacy.load_batch(bigint,bigint,text,bigint)',
        'legacy.end_build(bigint,bigint)',
        'legacy.give_up_build(bigint,bigint)',
        'legacy.register_file(bigint,bigint,text,text,bytea,bigint,bigint,jsonb)',
        'legacy.finish_import(bigint,bigint)',
        'legacy.import_summary(bigint)',
        'legacy.import_totals(bigint)',
        'legacy.import_reasons(bigint)',
        'legacy.import_notes(bigint,bigint)'
    ],
    'importer: the sixteen steps and reports of an import'
);
select set_eq(
    $$ select function from function_privilege where role = 'import_definer' $$,
    array['app.default_thread_title(text)', 'app.message_preview(text)', 'app.drop_chat_keys()', 'app.restore_chat_keys()'],
    'import_definer: four functions that are not its own'
);
select is_empty(
    $$
        select role, function
        from function_privilege
        where role not in ('app_user', 'sessionbase_owner', 'importer', 'import_definer')
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
            and pronamespace <> 'app'::regnamespace
    $$,
    'what importer may execute is what is security definer, and nothing else is, but for the three below'
);
-- Who asks may not read app.accounts before it is known who asks.
-- Only the owner of a table may drop and build its indexes, and import_definer owns no table of account data.
select set_eq(
    $$
        select concat_ws(' ', pg_proc.oid::regprocedure, 'of', proowner::regrole, 'for', grantee::regrole)
        from pg_proc
        cross join aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where prosecdef
            and pronamespace = 'app'::regnamespace
            and grantee <> proowner
    $$,
    array[
        'app.current_account_id() of authorizer for app_user',
        'app.drop_chat_keys() of sessionbase_owner for import_definer',
        'app.restore_chat_keys() of sessionbase_owner for import_definer'
    ],
    'of account data''s own functions three are security definer: for requests one that looks up who asks, for the import functions two as the owner of the tables'
);

select finish();
rollback;
