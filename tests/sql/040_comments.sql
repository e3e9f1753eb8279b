-- Everything says what it is for: schemas, tables, views, columns, functions, indexes and roles have comments.
begin;
select plan(10);

create temporary view our_schemas as
select
    oid,
    nspname
from pg_namespace
where nspname in ('app', 'api', 'legacy', 'sync', 'auth', 'ops');

select is_empty(
    $$
        select nspname
        from our_schemas
        where obj_description(oid, 'pg_namespace') is null
    $$,
    'every schema has a comment'
);
select is_empty(
    $$
        select oid::regclass
        from pg_class
        where relnamespace in (select oid from our_schemas)
            and relkind in ('r', 'v')
            and obj_description(oid, 'pg_class') is null
    $$,
    'every table and view has a comment'
);
select is_empty(
    $$
        select attrelid::regclass, attname
        from pg_attribute
        inner join pg_class on attrelid = pg_class.oid
        where relnamespace in (select oid from our_schemas)
            and relkind in ('r', 'v')
            and attnum > 0
            and not attisdropped
            and col_description(attrelid, attnum) is null
    $$,
    'every column has a comment'
);
select is_empty(
    $$
        select oid::regprocedure
        from pg_proc
        where pronamespace in (select oid from our_schemas)
            and obj_description(oid, 'pg_proc') is null
    $$,
    'every function has a comment'
);
select is_empty(
    $$
        select indexrelid::regclass
        from pg_index
        inner join pg_class on indexrelid = pg_class.oid
        where relnamespace in (select oid from our_schemas)
            and coalesce(obj_description(indexrelid, 'pg_class'), '') !~ '^Serves: \S'
            and not exists (
                select
                from pg_constraint
                where conindid = indexrelid
                    and contype in ('p', 'u', 'x')
            )
    $$,
    'every index that is not of a constraint says in its comment what it serves'
);
select is_empty(
    $$
        select conrelid::regclass, conname
        from pg_constraint
        inner join pg_class on conrelid = pg_class.oid
        where relnamespace = 'app'::regnamespace
            and contype = 'u'
            and conname <> 'accounts_name_key'
            and obj_description(pg_constraint.oid, 'pg_constraint') is null
    $$,
    'every unique constraint of account data says why there is one'
);
select is_empty(
    $$
        select name
        from unnest('{sessionbase_owner,app_user,app_server,authorizer,bookkeeper,importer,import_definer,electric_repl,electric_read,reviewer}'::name[]) as role (name)
        left join pg_roles on name = rolname
        where shobj_description(oid, 'pg_authid') is null
    $$,
    'every role has a comment'
);

-- A comment is of use only if it says something: one sentence or more, in the object's own words.
create temporary view our_comments as
select
    classoid::regclass::text as class,
    objoid,
    objsubid,
    description
from pg_description
where case classoid
    when 'pg_namespace'::regclass then objoid::regnamespace::text in ('app', 'api', 'legacy', 'sync', 'auth', 'ops')
    when 'pg_class'::regclass then objoid::regclass::text ~ '^(app|legacy|sync|auth|ops)\.'
    when 'pg_proc'::regclass then objoid::regprocedure::text ~ '^(app|api|legacy|sync|auth|ops)\.'
end;

select is_empty(
    $$
        select class, objoid, objsubid, description
        from our_comments
        where description !~ '^[[:alpha:]].*\.$'
            or length(description) < 7
            or description ~ '\s{2}|[\n\t]'
            or description ~* '\m(todo:|fixme|xxx)'
    $$,
    'every comment begins with a letter, ends with a full stop and is one line without double spaces'
);
select is_empty(
    $$
        select description
        from our_comments
        where class = 'pg_class'
            and objsubid = 0
        group by description
        having count(*) > 1
    $$,
    'no two tables, views or indexes have the same comment'
);
select is_empty(
    $$
        select description
        from our_comments
        where class = 'pg_proc'
        group by description
        having count(*) > 1
    $$,
    'no two functions have the same comment'
);

select finish();
rollback;
