"""What a backup must hold besides the dump, read from a database: roles, rights, and sums to check.

pg_dump writes one database and no roles; without them nothing of it could be restored on another
server. Passwords are in no backup.
"""

from typing import Literal, LiteralString

import msgspec
from psycopg import sql

from harness.connections import Connection


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role that something in the database belongs to, or is granted to. Never a superuser."""

    name: str
    inherit: bool
    create_role: bool
    create_database: bool
    login: bool
    replication: bool
    bypass_rls: bool
    comment: str | None


class Membership(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That one of the roles is a member of another. inherits, may_set: None before Postgres 16."""

    role: str
    member: str
    is_admin: bool
    inherits: bool | None
    may_set: bool | None


class Right(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A right on the database itself."""

    role: str
    right: Literal["CONNECT", "CREATE", "TEMPORARY"]
    is_grantable: bool


class TableSum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a table holds: how many rows, and a sum over all of them that knows no order."""

    table: str
    rows: int
    digest: str


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it, as of one moment. migrations: the names of the files that are applied."""

    server_version: int
    roles: list[Role]
    memberships: list[Membership]
    rights: list[Right]
    tables: list[TableSum]
    migrations: list[str]


# What depends on a role in this database, or in what the server has of it.
_NEEDED: LiteralString = """
    select distinct dependency.refobjid::bigint
    from pg_shdepend as dependency
    inner join pg_database as database on database.datname = current_database()
    where dependency.refclassid = 'pg_authid'::regclass
        and (
            dependency.dbid = database.oid
            or (dependency.classid = 'pg_database'::regclass and dependency.objid = database.oid)
        )
"""
_ROLES: LiteralString = """
    select
        rolname, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
        shobj_description(oid, 'pg_authid')
    from pg_roles
    where oid = any(%(needed)s)
        and not rolsuper
        and rolname !~ '^pg_'
    order by rolname
"""
_MEMBERSHIPS: LiteralString = """
    select
        role.rolname, member.rolname, link.admin_option,
        (to_jsonb(link) ->> 'inherit_option')::boolean, (to_jsonb(link) ->> 'set_option')::boolean
    from pg_auth_members as link
    inner join pg_roles as role on role.oid = link.roleid
    inner join pg_roles as member on member.oid = link.member
    where link.roleid = any(%(needed)s)
        and link.member = any(%(needed)s)
        and not role.rolsuper
        and not member.rolsuper
    order by role.rolname, member.rolname
"""
_RIGHTS: LiteralString = """
    select coalesce(grantee.rolname, 'public'), acl.privilege_type, acl.is_grantable
    from pg_database as database
    cross join lateral aclexplode(
        coalesce(database.datacl, acldefault('d', database.datdba))
    ) as acl
    left join pg_roles as grantee on grantee.oid = acl.grantee
    where database.datname = current_database()
        and (acl.grantee = 0 or not grantee.rolsuper)
        and acl.grantee <> database.datdba
    order by 1, 2
"""
_TABLES: LiteralString = """
    select namespace.nspname, class.relname
    from pg_class as class
    inner join pg_namespace as namespace on namespace.oid = class.relnamespace
    where class.relkind = 'r'
        and class.relpersistence = 'p'
        and namespace.nspname !~ '^pg_'
        and namespace.nspname <> 'information_schema'
    order by 1, 2
"""
# A row's text depends on these.
_AS_TEXT: LiteralString = """
    set local timezone = 'UTC';
    set local datestyle = 'ISO, YMD';
    set local intervalstyle = 'postgres';
    set local bytea_output = 'hex';
    set local extra_float_digits = 1;
    set local row_security = off
"""
_SUM = sql.SQL(
    "select count(*), coalesce(sum(('x' || left(md5(one::text), 15))::bit(60)::bigint), 0)::text "
    "from {} as one"
)


def read_facts(connection: Connection) -> Facts:
    """Read all of it in the transaction that is open. A role that policies bind is refused."""
    named = {"needed": [oid for (oid,) in connection.execute(_NEEDED)]}
    return Facts(
        connection.info.server_version,
        [Role(*row) for row in connection.execute(_ROLES, named)],
        [Membership(*row) for row in connection.execute(_MEMBERSHIPS, named)],
        [Right(*row) for row in connection.execute(_RIGHTS)],
        read_sums(connection),
        [name for (name,) in connection.execute("select file from ops.migrations order by file")],
    )


def read_sums(connection: Connection) -> list[TableSum]:
    """Read how many rows each table has, and their sum, in the transaction that is open."""
    connection.execute(_AS_TEXT)
    sums = []
    for schema, table in connection.execute(_TABLES).fetchall():
        ((rows, digest),) = connection.execute(
            _SUM.format(sql.Identifier(schema, table))
        ).fetchall()
        sums.append(TableSum(f"{schema}.{table}", rows, digest))
    return sums
