-- What each role is: its attributes, its memberships, and what every role of ours must never be.
begin;
select plan(8);

create temporary view our_roles as
select
    oid,
    rolname,
    rolsuper,
    rolinherit,
    rolcreaterole,
    rolcreatedb,
    rolcanlogin,
    rolreplication,
    rolbypassrls,
    rolconfig
from pg_roles
where rolname in ('sessionbase_owner', 'app_user', 'app_server', 'authorizer', 'bookkeeper', 'importer', 'import_definer', 'electric_repl', 'electric_read', 'reviewer');

select set_eq(
    $$
        select concat_ws(
            ' ',
            rolname,
            case when rolcanlogin then 'login' end,
            case when not rolinherit then 'noinherit' end,
            case when rolreplication then 'replication' end
        )
        from our_roles
    $$,
    array[
        'sessionbase_owner',
        'app_user',
        'app_server login noinherit',
        'authorizer',
        'bookkeeper',
        'importer',
        'import_definer',
        'electric_repl login replication',
        'electric_read login',
        'reviewer'
    ],
    'who may log in, who inherits nothing, who may stream changes'
);
select is_empty(
    $$
        select rolname
        from our_roles
        where rolsuper or rolbypassrls or rolcreaterole or rolcreatedb
    $$,
    'none is a superuser, passes by row level security, or makes roles or databases'
);
select is_empty(
    $$
        select rolname
        from our_roles
        where rolconfig is not null
    $$,
    'none has settings of its own, as of search_path or row_security'
);

select set_eq(
    $$
        select member.rolname::text || ' in ' || granted.rolname
        from pg_auth_members
        inner join our_roles as member on pg_auth_members.member = member.oid
        inner join pg_roles as granted on roleid = granted.oid
    $$,
    '{app_server in app_user}'::text[],
    'app_server is a member of app_user, and of our roles none is a member of any other, nor of one of Postgres''s own'
);
select is_empty(
    $$
        select granted.rolname, member.rolname
        from pg_auth_members
        inner join our_roles as granted on roleid = granted.oid
        inner join pg_roles as member on pg_auth_members.member = member.oid
        where admin_option
            and member.rolname in (select rolname from our_roles)
    $$,
    'no role of ours may make others members'
);
select ok(
    not pg_has_role('app_server', 'app_user', 'usage') and pg_has_role('app_server', 'app_user', 'member'),
    'app_server has nothing of app_user before it does set role'
);
select is_empty(
    $$
        select our_roles.rolname, powerful.rolname
        from our_roles
        cross join pg_roles as powerful
        where powerful.rolname in ('sessionbase_owner', 'authorizer', 'bookkeeper', 'import_definer')
            and our_roles.rolname <> powerful.rolname
            and pg_has_role(our_roles.rolname, powerful.rolname, 'member')
    $$,
    'no role of ours can act as sessionbase_owner, authorizer, bookkeeper or import_definer'
);
select is_empty(
    $$
        select our_roles.rolname, pg_roles.rolname
        from our_roles
        cross join pg_roles
        where (pg_roles.rolsuper or pg_roles.rolbypassrls)
            and pg_has_role(our_roles.rolname, pg_roles.rolname, 'member')
    $$,
    'no role of ours can act as a superuser or as one that passes by row level security'
);

select finish();
rollback;
