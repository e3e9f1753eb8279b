"""What a database's catalog says of roles, rights, policies and functions, as plain facts.

Nothing is judged here: compare.py holds the facts against the intent.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

from harness.connections import SCHEMAS, Connection

PUBLIC = "PUBLIC"
"""What grantees that are everybody are called."""


@dataclass(frozen=True)
class Membership:
    """A role that has another one's rights.

    inherits: has them without SET ROLE. can_set: may SET ROLE. is_admin: may give them on.
    """

    role: str
    member: str
    inherits: bool
    can_set: bool
    is_admin: bool


@dataclass(frozen=True)
class Role:
    """A role with its attributes."""

    name: str
    login: bool
    inherit: bool
    replication: bool
    superuser: bool
    bypass_rls: bool
    create_role: bool
    create_db: bool


@dataclass(frozen=True, order=True)
class Grant:
    """A privilege that somebody has on something, other than its owner.

    kind: database, schema, table (views too), column, sequence or function.
    object: app.todos, app.todos.body, app.f(text); the name of a database or schema.
    """

    kind: str
    object: str
    grantee: str
    privilege: str
    grantable: bool


@dataclass(frozen=True)
class Schema:
    """A schema and who owns it."""

    name: str
    owner: str


@dataclass(frozen=True)
class Table:
    """A table or view, and what decides about its rows.

    kind: table, view, materialized view or foreign table. columns: in their order.
    """

    name: str
    kind: str
    owner: str
    row_security: bool
    forced: bool
    security_invoker: bool
    security_barrier: bool
    columns: tuple[str, ...]
    primary_key: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """A policy. using and check are as Postgres prints them, white space as one space."""

    table: str
    name: str
    permissive: bool
    command: str
    roles: tuple[str, ...]
    using: str | None
    check: str | None


@dataclass(frozen=True)
class Function:
    """A function by its signature, as regprocedure shows it; search_path None where not pinned."""

    signature: str
    owner: str
    definer: bool
    search_path: str | None


@dataclass(frozen=True)
class DefaultGrant:
    """What objects that a role makes later give to somebody.

    schema: "" for all of them. kind: table, sequence, function, type, schema or large object.
    grantee: who gets it; the owner itself too.
    """

    owner: str
    schema: str
    kind: str
    grantee: str
    privilege: str


@dataclass(frozen=True)
class Publication:
    """A publication. tables: what it publishes, however it came to."""

    name: str
    owner: str
    all_tables: bool
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Catalog:
    """What the catalog of a database says.

    roles: all of the server. tables, functions and policies: of sessionbase's schemas.
    grants: of everybody but the owner. migrators: who owns the database or has migrated it.
    """

    database: str
    migrators: frozenset[str]
    roles: dict[str, Role]
    memberships: tuple[Membership, ...]
    schemas: dict[str, Schema]
    tables: dict[str, Table]
    policies: tuple[Policy, ...]
    functions: dict[str, Function]
    grants: tuple[Grant, ...]
    default_grants: tuple[DefaultGrant, ...]
    publications: tuple[Publication, ...]

    def policies_of(self, table: str) -> tuple[Policy, ...]:
        """Return the policies of a table."""
        return tuple(policy for policy in self.policies if policy.table == table)


_ROLES: LiteralString = """
select
    rolname, rolcanlogin, rolinherit, rolreplication, rolsuper, rolbypassrls, rolcreaterole,
    rolcreatedb
from pg_roles
order by rolname
"""

# Before Postgres 16 a membership has no options: it can always be set, and the role says whether
# it inherits.
_MEMBERSHIPS: LiteralString = """
select
    granted.rolname,
    member.rolname,
    bool_or(coalesce((to_jsonb(link) ->> 'inherit_option')::boolean, member.rolinherit)),
    bool_or(coalesce((to_jsonb(link) ->> 'set_option')::boolean, true)),
    bool_or(link.admin_option)
from pg_auth_members as link
join pg_roles as granted on granted.oid = link.roleid
join pg_roles as member on member.oid = link.member
group by 1, 2
order by 1, 2
"""

_MIGRATORS: LiteralString = """
select pg_get_userbyid(datdba) from pg_database where datname = current_database()
"""

_READABLE_LEDGER: LiteralString = """
select
from pg_class as class
join pg_namespace as space on space.oid = class.relnamespace
where space.nspname = 'ops' and class.relname = 'migrations'
    and has_schema_privilege(space.oid, 'usage') and has_table_privilege(class.oid, 'select')
"""

_APPLIED_BY: LiteralString = "select distinct applied_by from ops.migrations"

_SCHEMAS: LiteralString = """
select nspname, pg_get_userbyid(nspowner)
from pg_namespace
where nspname = any (%(schemas)s)
order by nspname
"""

_TABLES: LiteralString = """
select
    format('%%s.%%s', space.nspname, class.relname),
    case class.relkind
        when 'v' then 'view'
        when 'm' then 'materialized view'
        when 'f' then 'foreign table'
        else 'table'
    end,
    pg_get_userbyid(class.relowner),
    class.relrowsecurity,
    class.relforcerowsecurity,
    coalesce(option.invoker, false),
    coalesce(option.barrier, false),
    array(
        select attname::text from pg_attribute
        where attrelid = class.oid and attnum > 0 and not attisdropped order by attnum
    ),
    array(
        select attribute.attname::text
        from pg_index as key
        cross join unnest(key.indkey::smallint[]) with ordinality as part (attnum, place)
        join pg_attribute as attribute
            on attribute.attrelid = class.oid and attribute.attnum = part.attnum
        where key.indrelid = class.oid and key.indisprimary
        order by part.place
    )
from pg_class as class
join pg_namespace as space on space.oid = class.relnamespace
cross join lateral (
    select
        bool_or(option_value::boolean) filter (where option_name = 'security_invoker') as invoker,
        bool_or(option_value::boolean) filter (where option_name = 'security_barrier') as barrier
    from pg_options_to_table(class.reloptions)
    where option_name in ('security_invoker', 'security_barrier')
) as option
where space.nspname = any (%(schemas)s) and class.relkind in ('r', 'p', 'v', 'm', 'f')
order by 1
"""

_POLICIES: LiteralString = """
select
    format('%%s.%%s', space.nspname, class.relname),
    policy.polname,
    policy.polpermissive,
    case policy.polcmd
        when 'r' then 'select'
        when 'a' then 'insert'
        when 'w' then 'update'
        when 'd' then 'delete'
        else 'all'
    end,
    array(
        select case role when 0 then 'PUBLIC' else pg_get_userbyid(role) end
        from unnest(policy.polroles) as named (role)
        order by 1
    ),
    regexp_replace(pg_get_expr(policy.polqual, policy.polrelid), '\\s+', ' ', 'g'),
    regexp_replace(pg_get_expr(policy.polwithcheck, policy.polrelid), '\\s+', ' ', 'g')
from pg_policy as policy
join pg_class as class on class.oid = policy.polrelid
join pg_namespace as space on space.oid = class.relnamespace
where space.nspname = any (%(schemas)s)
order by 1, 2
"""

_FUNCTIONS: LiteralString = """
select
    function.oid::regprocedure::text,
    pg_get_userbyid(function.proowner),
    function.prosecdef,
    (
        select substr(setting, length('search_path=') + 1)
        from unnest(function.proconfig) as setting
        where starts_with(setting, 'search_path=')
    )
from pg_proc as function
join pg_namespace as space on space.oid = function.pronamespace
where space.nspname = any (%(schemas)s)
order by 1
"""

# A missing list of rights is that of a new object, which for functions and databases lets
# PUBLIC in. Of the database and of schema public only PUBLIC matters.
_GRANTS: LiteralString = """
with object as (
    select 'database' as kind, datname::text as name, datdba as owner,
        coalesce(datacl, acldefault('d', datdba)) as acl, true as only_public
    from pg_database
    where datname = current_database()
    union all
    select
        'schema', nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner)),
        nspname = 'public'
    from pg_namespace
    where nspname = any (%(schemas)s || array['public'])
    union all
    select
        case class.relkind when 'S' then 'sequence' else 'table' end,
        format('%%s.%%s', space.nspname, class.relname),
        class.relowner,
        coalesce(
            class.relacl,
            case class.relkind
                when 'S' then acldefault('s', class.relowner)
                else acldefault('r', class.relowner)
            end
        ),
        false
    from pg_class as class
    join pg_namespace as space on space.oid = class.relnamespace
    where space.nspname = any (%(schemas)s) and class.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select
        'column', format('%%s.%%s.%%s', space.nspname, class.relname, attribute.attname),
        class.relowner, attribute.attacl, false
    from pg_attribute as attribute
    join pg_class as class on class.oid = attribute.attrelid
    join pg_namespace as space on space.oid = class.relnamespace
    where space.nspname = any (%(schemas)s) and attribute.attacl is not null
        and not attribute.attisdropped
    union all
    select
        'function', function.oid::regprocedure::text, function.proowner,
        coalesce(function.proacl, acldefault('f', function.proowner)), false
    from pg_proc as function
    join pg_namespace as space on space.oid = function.pronamespace
    where space.nspname = any (%(schemas)s)
)

select
    object.kind,
    object.name,
    case entry.grantee when 0 then 'PUBLIC' else pg_get_userbyid(entry.grantee) end,
    lower(entry.privilege_type),
    bool_or(entry.is_grantable)
from object
cross join aclexplode(object.acl) as entry
where entry.grantee <> object.owner and (entry.grantee = 0 or not object.only_public)
group by 1, 2, 3, 4
order by 1, 2, 3, 4
"""

_DEFAULT_GRANTS: LiteralString = """
select
    pg_get_userbyid(entry.defaclrole),
    coalesce(space.nspname, ''),
    case entry.defaclobjtype
        when 'r' then 'table' when 'S' then 'sequence' when 'f' then 'function' when 'T' then 'type'
        when 'n' then 'schema' else 'large object'
    end,
    case granted.grantee when 0 then 'PUBLIC' else pg_get_userbyid(granted.grantee) end,
    lower(granted.privilege_type)
from pg_default_acl as entry
left join pg_namespace as space on space.oid = entry.defaclnamespace
cross join aclexplode(entry.defaclacl) as granted
where entry.defaclnamespace = 0 or space.nspname = any (%(schemas)s)
order by 1, 2, 3, 4, 5
"""

_PUBLICATIONS: LiteralString = """
select
    publication.pubname,
    pg_get_userbyid(publication.pubowner),
    publication.puballtables,
    array(
        select format('%%s.%%s', published.schemaname, published.tablename)
        from pg_publication_tables as published
        where published.pubname = publication.pubname
        order by 1
    )
from pg_publication as publication
order by 1
"""


def read_catalog(connection: Connection) -> Catalog:
    """Read the catalog of the database a connection is to. Any login may.

    Raises psycopg's errors, which connect() makes into sentences.
    """
    with connection.transaction():
        # So that Postgres prints every name with its schema, whatever the login's setting is.
        connection.execute("set local search_path = pg_catalog")
        return _read(connection)


def _read(connection: Connection) -> Catalog:
    def rows(query: LiteralString) -> list[tuple[Any, ...]]:
        return connection.execute(query, {"schemas": list(SCHEMAS)}).fetchall()

    return Catalog(
        database=connection.info.dbname,
        migrators=_migrators(connection),
        roles={row[0]: Role(*row) for row in rows(_ROLES)},
        memberships=tuple(Membership(*row) for row in rows(_MEMBERSHIPS)),
        schemas={row[0]: Schema(*row) for row in rows(_SCHEMAS)},
        tables={row[0]: _table(row) for row in rows(_TABLES)},
        policies=tuple(_policy(row) for row in rows(_POLICIES)),
        functions={row[0]: Function(*row) for row in rows(_FUNCTIONS)},
        grants=tuple(Grant(*row) for row in rows(_GRANTS)),
        default_grants=tuple(DefaultGrant(*row) for row in rows(_DEFAULT_GRANTS)),
        publications=tuple(_publication(row) for row in rows(_PUBLICATIONS)),
    )


def _migrators(connection: Connection) -> frozenset[str]:
    found = connection.execute(_MIGRATORS).fetchall()
    if connection.execute(_READABLE_LEDGER).fetchall():
        found += connection.execute(_APPLIED_BY).fetchall()
    return frozenset(name for (name,) in found)


def _table(row: tuple[Any, ...]) -> Table:
    name, kind, owner, *flags, columns, primary_key = row
    on, forced, invoker, barrier = flags
    return Table(
        name, kind, owner, on, forced, invoker, barrier, tuple(columns), tuple(primary_key)
    )


def _policy(row: tuple[Any, ...]) -> Policy:
    table, name, permissive, command, roles, using, check = row
    return Policy(table, name, permissive, command, tuple(roles), using, check)


def _publication(row: tuple[Any, ...]) -> Publication:
    return Publication(row[0], row[1], row[2], tuple(row[3]))
