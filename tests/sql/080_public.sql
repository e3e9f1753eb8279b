-- PUBLIC has nothing, here or on what is made later; and who has what on the database and its schemas, exactly.
begin;
select plan(11);

create temporary view our_schemas as
select
    oid,
    nspname
from pg_namespace
where nspname in ('app', 'api', 'legacy', 'sync', 'auth', 'ops');

-- A database that is made from a template does not get the template's own privileges, and the tests run on such a copy.
create temporary view migrated_database as
select
    datname,
    datdba,
    datacl
from pg_database
where datname = regexp_replace(current_database(), '_\d+$', '_template');

select set_eq(
    $$
        select grantee::regrole || ' ' || privilege_type
        from migrated_database
        cross join aclexplode(coalesce(datacl, acldefault('d', datdba)))
        where grantee <> datdba
    $$,
    '{app_server CONNECT,electric_repl CONNECT,electric_read CONNECT,importer CONNECT,reviewer CONNECT,import_definer TEMPORARY}'::text[],
    'five roles may connect to the database; the one of the import functions, which can not, may make temporary tables in it; PUBLIC may not even connect'
);
select set_eq(
    $$
        select concat_ws(' ', nspname, grantee::regrole, privilege_type, case when is_grantable then 'with grant option' end)
        from pg_namespace
        cross join aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
        where nspname in ('app', 'api', 'legacy', 'sync', 'auth', 'ops', 'public')
            and grantee <> nspowner
    $$,
    array[
        'app app_user USAGE',
        'api app_user USAGE',
        'app authorizer USAGE',
        'app authorizer CREATE',
        'app bookkeeper USAGE',
        'app bookkeeper CREATE',
        'app electric_read USAGE',
        'app import_definer USAGE',
        'legacy import_definer USAGE',
        'legacy import_definer CREATE',
        'legacy importer USAGE',
        'app reviewer USAGE',
        'api reviewer USAGE',
        'legacy reviewer USAGE',
        'sync app_user USAGE',
        'sync reviewer USAGE',
        'auth app_server USAGE',
        'auth app_user USAGE',
        'auth authorizer USAGE',
        'auth authorizer CREATE',
        'auth reviewer USAGE',
        'ops reviewer USAGE'
    ],
    'who may use which schema; PUBLIC none, not even schema public'
);
select is_empty(
    $$
        select oid::regclass, privilege_type
        from pg_class
        cross join aclexplode(relacl)
        where relnamespace in (select oid from our_schemas)
            and grantee = 0
    $$,
    'PUBLIC has nothing on any table or sequence'
);
select is_empty(
    $$
        select attrelid::regclass, attname, privilege_type
        from pg_attribute
        inner join pg_class on attrelid = pg_class.oid
        cross join aclexplode(attacl)
        where relnamespace in (select oid from our_schemas)
            and grantee = 0
    $$,
    'PUBLIC has nothing on any column'
);
select is_empty(
    $$
        select pg_proc.oid::regprocedure
        from pg_proc
        cross join aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where pronamespace in (select oid from our_schemas)
            and grantee = 0
    $$,
    'PUBLIC may execute no function'
);
-- The row type of a table and the array of a type have no privileges of their own: what can be done with them, the table decides.
select is_empty(
    $$
        select pg_type.oid::regtype
        from pg_type
        cross join aclexplode(coalesce(typacl, acldefault('T', typowner)))
        where typnamespace in (select oid from our_schemas)
            and typrelid = 0
            and typelem = 0
            and grantee = 0
    $$,
    'PUBLIC may use no type that stands for itself'
);

select set_eq(
    $$
        select concat_ws(' ', defaclrole::regrole, defaclobjtype, grantee::regrole, privilege_type)
        from pg_default_acl
        cross join aclexplode(defaclacl)
        where defaclnamespace = 0
    $$,
    array[
        'sessionbase_owner f sessionbase_owner EXECUTE',
        'sessionbase_owner T sessionbase_owner USAGE',
        'authorizer f authorizer EXECUTE',
        'authorizer T authorizer USAGE',
        'bookkeeper f bookkeeper EXECUTE',
        'bookkeeper T bookkeeper USAGE',
        'import_definer f import_definer EXECUTE',
        'import_definer T import_definer USAGE'
    ],
    'of a function or type made later, its owner alone has anything'
);
select is_empty(
    $$
        select defaclrole::regrole, defaclnamespace::regnamespace
        from pg_default_acl
        where defaclnamespace <> 0
    $$,
    'no schema has defaults of its own'
);

set local role sessionbase_owner;
create function app.made_later()
returns integer
language sql
return 1;
create table app.table_made_later (id bigint);
create type app.type_made_later as enum ('one');
reset role;
select is_empty(
    $$
        select grantee::regrole
        from pg_proc
        cross join aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where pg_proc.oid = 'app.made_later()'::regprocedure
            and grantee <> proowner
    $$,
    'a function made now is its owner''s alone'
);
select is_empty(
    $$
        select grantee::regrole
        from pg_class
        cross join aclexplode(coalesce(relacl, acldefault('r', relowner)))
        where pg_class.oid = 'app.table_made_later'::regclass
            and grantee <> relowner
    $$,
    'a table made now is its owner''s alone'
);
select is_empty(
    $$
        select grantee::regrole
        from pg_type
        cross join aclexplode(coalesce(typacl, acldefault('T', typowner)))
        where pg_type.oid = 'app.type_made_later'::regtype
            and grantee <> typowner
    $$,
    'a type made now is its owner''s alone'
);

select finish();
rollback;
