-- Who owns what: sessionbase_owner everything, except import_definer the functions of schema legacy, the tables they analyze, and the views that are made with them,
-- authorizer what looks up who asks, and bookkeeper what keeps counts.
begin;
select plan(7);

create temporary view our_schemas as
select
    oid,
    nspname,
    nspowner
from pg_namespace
where nspname in ('app', 'api', 'legacy', 'sync', 'auth', 'ops');

select is_empty(
    $$
        select nspname
        from our_schemas
        where nspowner <> 'sessionbase_owner'::regrole
    $$,
    'sessionbase_owner owns every schema'
);
select set_eq(
    $$
        select oid::regclass::text, relowner::regrole::text
        from pg_class
        where relnamespace in (select oid from our_schemas)
            and relowner <> 'sessionbase_owner'::regrole
    $$,
    $$
        values
        ('legacy.staged_records', 'import_definer'),
        ('legacy.staged_records_pkey', 'import_definer'),
        ('legacy.judged_records', 'import_definer'),
        ('legacy.judged_records_pkey', 'import_definer'),
        ('legacy.known_records', 'import_definer'),
        ('legacy.known_records_sha256_idx', 'import_definer'),
        ('legacy.source_records', 'import_definer'),
        ('legacy.current_records', 'import_definer'),
        ('app.memberships', 'authorizer')
    $$,
    'sessionbase_owner owns every table, index and sequence, but import_definer those of the run under way, and two views, and authorizer the view that policies ask'
);
select is_empty(
    $$
        select oid::regtype
        from pg_type
        where typnamespace in (select oid from our_schemas)
            and typrelid = 0
            and typelem = 0
    $$,
    'there is no type but those of tables, which their owners own'
);
select set_eq(
    $$
        select oid::regprocedure::text, proowner::regrole::text
        from pg_proc
        where pronamespace in (select oid from our_schemas where nspname not in ('auth', 'legacy'))
            and proowner <> 'sessionbase_owner'::regrole
    $$,
    $$
        values
        ('app.carefully_claimed_account_id()', 'authorizer'),
        ('app.claimed_account_id()', 'authorizer'),
        ('app.current_account_id()', 'authorizer'),
        ('app.require_account()', 'authorizer'),
        ('app.begin_maintenance(text)', 'authorizer'),
        ('app.end_maintenance()', 'authorizer'),
        ('app.hold_maintenance()', 'authorizer'),
        ('app.open_writers()', 'authorizer'),
        ('app.refuse_maintenance()', 'authorizer'),
        ('app.count_message()', 'bookkeeper'),
        ('app.discount_messages()', 'bookkeeper'),
        ('app.note_change(uuid,text,timestamp with time zone)', 'bookkeeper'),
        ('app.note_session_change()', 'bookkeeper'),
        ('app.preview_message()', 'bookkeeper')
    $$,
    'sessionbase_owner owns every function outside auth and legacy, but authorizer those that look up who asks and stop writing, and bookkeeper those that keep counts'
);
select set_eq(
    $$ select distinct proowner::regrole::text from pg_proc where pronamespace = 'auth'::regnamespace $$,
    '{authorizer}'::text[],
    'authorizer owns every function of auth'
);
select is_empty(
    $$
        select oid::regprocedure
        from pg_proc
        where pronamespace = 'legacy'::regnamespace
            and proowner <> 'import_definer'::regrole
    $$,
    'import_definer owns every function of legacy'
);
select is_empty(
    $$
        select
            classid::regclass,
            objid,
            refobjid::regrole
        from pg_shdepend
        where deptype = 'o'
            and dbid = (select oid from pg_database where datname = current_database())
            and refclassid = 'pg_authid'::regclass
            and refobjid::regrole::text in ('app_user', 'app_server', 'importer', 'electric_repl', 'electric_read', 'reviewer')
    $$,
    'no other role of ours owns anything in this database'
);

select finish();
rollback;
