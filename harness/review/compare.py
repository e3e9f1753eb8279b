"""Holds a database's catalog against the intent, and says in words what differs."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from harness.review.catalog import (
    PUBLIC,
    Catalog,
    DefaultGrant,
    Function,
    Grant,
    Membership,
    Policy,
    Role,
    Table,
)
from harness.review.findings import Finding
from harness.review.intent import COMMANDS, DEFAULT_OWNER, Cell, Intent, RoleIntent, TableIntent
from harness.review.policy_text import PolicyText, policy_text

_Right = tuple[str, str, str, str]
"""A privilege: kind and name of the object, who has it, what it is."""

_BY_COLUMN = ("insert", "update")
_NOTHING = "no such privilege"
# Postgres lets PUBLIC use these when they are new, unless default privileges say otherwise.
_OPEN_WHEN_NEW = {"function": "execute", "type": "usage"}
# Where Postgres is a service, this role stands for the attribute REPLICATION.
_REPLICATION_ROLES = ("rds_replication",)


def compare(catalog: Catalog, intent: Intent) -> tuple[Finding, ...]:
    """Return every difference, in order of code and object."""
    parts = (
        _roles(catalog, intent),
        _memberships(catalog, intent),
        _schemas(catalog, intent),
        _tables(catalog, intent),
        _privileges(catalog, intent),
        _policies(catalog, intent),
        _functions(catalog, intent),
        _default_privileges(catalog, intent),
        _publications(catalog, intent),
    )
    return tuple(sorted({finding for part in parts for finding in part}))


def _roles(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    for name, wanted in intent.roles.items():
        role = catalog.roles.get(name)
        if role is None:
            yield Finding("role-missing", name, name, "there is no such role", wanted.what)
            continue
        for is_on, should_be, attribute in _attributes(role, wanted, catalog):
            if is_on != should_be:
                words = (f"NO{attribute}", attribute)
                yield Finding("role-attribute", name, name, f"is {words[is_on]}", words[should_be])


def _attributes(
    role: Role, wanted: RoleIntent, catalog: Catalog
) -> Iterator[tuple[bool, bool, str]]:
    """Return of each attribute whether it is on, whether it should be, and its name."""
    replicates = role.replication or any(
        link.member == role.name and link.role in _REPLICATION_ROLES for link in catalog.memberships
    )
    yield role.login, "login" in wanted.attributes, "LOGIN"
    yield role.inherit, "noinherit" not in wanted.attributes, "INHERIT"
    yield replicates, "replication" in wanted.attributes, "REPLICATION"
    yield role.superuser, False, "SUPERUSER"
    yield role.bypass_rls, False, "BYPASSRLS"
    yield role.create_role, False, "CREATEROLE"
    yield role.create_db, False, "CREATEDB"


def _memberships(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    found = {(link.role, link.member): link for link in catalog.memberships}
    wanted = {(role, member) for member, about in intent.roles.items() for role in about.member_of}
    for role, member in sorted(wanted - found.keys()):
        yield _membership(role, member, "is no member", "a member")
    for (role, member), link in found.items():
        if (role, member) in wanted:
            yield from _membership_options(link, intent.roles[member])
        elif not _may_be_member(link, catalog, intent):
            yield _membership(role, member, "is a member", "no member")


def _membership(role: str, member: str, found: str, wanted: str) -> Finding:
    return Finding("membership", role, member, found, wanted)


def _membership_options(link: Membership, member: RoleIntent) -> Iterator[Finding]:
    inherits = "noinherit" not in member.attributes
    if link.inherits != inherits:
        words = ("has its rights only after SET ROLE", "has its rights without SET ROLE")
        yield _membership(link.role, link.member, words[link.inherits], words[inherits])
    if not link.can_set:
        yield _membership(link.role, link.member, "may not SET ROLE", "may SET ROLE")
    if link.is_admin:
        yield _membership(link.role, link.member, "may add members", "a member without ADMIN")


def _may_be_member(link: Membership, catalog: Catalog, intent: Intent) -> bool:
    """Whether a membership that the intent does not list is nothing to object to."""
    if link.member in intent.roles:
        replicates = "replication" in intent.roles[link.member].attributes
        return link.role in _REPLICATION_ROLES and replicates
    if link.role not in intent.roles or link.member in catalog.migrators:
        return True
    member = catalog.roles.get(link.member)
    return (member is not None and member.superuser) or _is_for_people(link.role, intent)


def _is_for_people(role: str, intent: Intent) -> bool:
    """Whether logins that the intent does not know may be given the role.

    Such a role owns nothing, does not log in itself, and has no members that are listed.
    """
    has_members = any(role in about.member_of for about in intent.roles.values())
    logs_in = "login" in intent.roles[role].attributes
    return not (has_members or logs_in or role in intent.owners)


def _schemas(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    for name in intent.schemas:
        schema = catalog.schemas.get(name)
        if schema is None:
            yield Finding("schema-missing", name, "", "there is no such schema", "a schema")
        elif schema.owner != DEFAULT_OWNER:
            yield _owner("schema", name, schema.owner, DEFAULT_OWNER)


def _owner(kind: str, name: str, found: str, wanted: str) -> Finding:
    return Finding(f"{kind}-owner", name, found, f"is owned by {found}", f"owned by {wanted}")


def _tables(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    for name in sorted(catalog.tables.keys() - intent.tables.keys()):
        found = f"is a {catalog.tables[name].kind} that the intent does not know"
        yield Finding("table-unknown", name, "", found, "an entry in the intent, or no table")
    for name, wanted in intent.tables.items():
        table = catalog.tables.get(name)
        if table is None:
            yield Finding("table-missing", name, "", "is not there", f"a {wanted.kind}")
        else:
            yield from _table(table, wanted)


def _table(table: Table, wanted: TableIntent) -> Iterator[Finding]:
    if table.kind != wanted.kind:
        yield Finding("table-kind", table.name, "", f"is a {table.kind}", f"a {wanted.kind}")
        return
    if table.owner != wanted.owner:
        yield _owner("table", table.name, table.owner, wanted.owner)
    if table.kind == "view":
        yield from _view(table)
    else:
        yield from _row_security(table, wanted)


def _view(view: Table) -> Iterator[Finding]:
    if not (view.security_invoker or view.security_barrier):
        found = "has neither security_invoker nor security_barrier"
        yield Finding("view-barrier", view.name, "", found, "one of them")


def _row_security(table: Table, wanted: TableIntent) -> Iterator[Finding]:
    if not wanted.has_row_security:
        if table.row_security:
            reason = f"off: {wanted.no_row_security}"
            yield Finding("row-security-on", table.name, "", "row level security is on", reason)
    elif not table.row_security:
        yield Finding("row-security-off", table.name, "", "row level security is off", "on")
    elif not table.forced:
        found = "row level security does not bind the owner"
        yield Finding("row-security-not-forced", table.name, table.owner, found, "forced")


def _privileges(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    found = {(grant.kind, grant.object, grant.grantee, grant.privilege) for grant in catalog.grants}
    wanted = set(_wanted_rights(catalog, intent))
    yield from _gathered(found - wanted, "may", _NOTHING)
    yield from _gathered(wanted - found, "may not", "that privilege")
    for grant in catalog.grants:
        if grant.grantable:
            yield _grant_option(grant)


def _grant_option(grant: Grant) -> Finding:
    found = f"may {grant.privilege}, and grant that to others"
    return Finding("grant-option", grant.object, grant.grantee, found, "no grant option")


def _gathered(rights: Iterable[_Right], word: str, wanted: str) -> Iterator[Finding]:
    """Make one finding of the columns of a table, and one of each other privilege."""
    columns: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for kind, name, role, privilege in sorted(rights):
        if kind == "column":
            table, _, column = name.rpartition(".")
            columns[table, role, privilege].append(column)
        else:
            yield Finding(f"{kind}-privilege", name, role, f"{word} {privilege}", wanted)
    for (table, role, privilege), names in columns.items():
        found = f"{word} {privilege} {', '.join(names)}"
        yield Finding("column-privilege", table, role, found, wanted)


def _wanted_rights(catalog: Catalog, intent: Intent) -> Iterator[_Right]:
    for schema, granted in intent.schemas.items():
        for role, privileges in granted.items():
            yield from (("schema", schema, role, privilege) for privilege in privileges)
    # What is not there has no privileges to miss: that it is not there is said elsewhere.
    for cell in intent.matrix():
        if cell.rows != "never" and cell.table in catalog.tables:
            yield from _rights_of(cell)
    for signature in intent.functions.keys() & catalog.functions.keys():
        for role in intent.functions[signature].execute:
            yield ("function", signature, role, "execute")


def _rights_of(cell: Cell) -> Iterator[_Right]:
    if cell.command in _BY_COLUMN:
        for column in cell.columns:
            yield ("column", f"{cell.table}.{column}", cell.role, cell.command)
    else:
        yield ("table", cell.table, cell.role, cell.command)


def _policies(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    for name, wanted in intent.tables.items():
        table = catalog.tables.get(name)
        if table is None or table.kind != wanted.kind:
            continue
        policies = catalog.policies_of(name)
        cells = _cells_with_policies(intent, name)
        yield from _stray_policies(policies, cells)
        for cell in cells.values():
            yield from _policy_of(cell, table, policies)


def _cells_with_policies(intent: Intent, table: str) -> dict[tuple[str, str], Cell]:
    """Return the cells of a table that must have a policy each, by role and command."""
    if not intent.tables[table].has_row_security:
        return {}
    cells = (
        intent.cell(role, table, command)
        for role in intent.roles
        for command in COMMANDS
        # No policy is asked for truncate.
        if command != "truncate"
    )
    return {(cell.role, cell.command): cell for cell in cells if cell.rows != "never"}


def _stray_policies(
    policies: Iterable[Policy], cells: dict[tuple[str, str], Cell]
) -> Iterator[Finding]:
    for policy in policies:
        roles = ", ".join(policy.roles)
        if policy.command == "all":
            wanted = "for one command"
            yield _of_policy("policy-for-all-commands", policy, "is for every command", wanted)
        if len(policy.roles) != 1 or PUBLIC in policy.roles:
            yield _of_policy("policy-roles", policy, f"is for {roles}", "for one named role")
        elif policy.command != "all" and (roles, policy.command) not in cells:
            wanted = f"none: the intent gives {roles} no {policy.command} by a policy"
            yield _of_policy("policy-without-cell", policy, f"is for {policy.command}", wanted)


def _of_policy(code: str, policy: Policy, found: str, wanted: str) -> Finding:
    found = f"policy {policy.name!r} {found}"
    return Finding(code, policy.table, ", ".join(policy.roles), found, wanted)


def _policy_of(cell: Cell, table: Table, policies: Iterable[Policy]) -> Iterator[Finding]:
    of_cell = [p for p in policies if p.roles == (cell.role,) and p.command == cell.command]
    wanted = policy_text(cell, table)
    if not of_cell:
        found = f"there is no policy for {cell.command}"
        yield Finding("policy-missing", cell.table, cell.role, found, wanted.sentence())
    if len(of_cell) > 1:
        found = f"{len(of_cell)} policies are for {cell.command}"
        yield Finding("policy-repeated", cell.table, cell.role, found, "one")
    for policy in of_cell:
        said = PolicyText(policy.using, policy.check)
        if not policy.permissive:
            yield _of_policy("policy-restrictive", policy, "is restrictive", "permissive")
        if said != wanted:
            says = f"says {said.sentence()}"
            yield _of_policy("policy-text", policy, says, f"{wanted.sentence()}: {cell.rows}")


def _functions(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    for signature in sorted(intent.functions.keys() - catalog.functions.keys()):
        yield Finding("function-missing", signature, "", "is not there", "a function")
    for function in catalog.functions.values():
        yield from _definer(function, intent)
        yield from _function_owner(function, intent)


def _definer(function: Function, intent: Intent) -> Iterator[Finding]:
    wanted = intent.functions.get(function.signature)
    should_be = wanted is not None and wanted.definer is not None
    words = ("runs as who calls it", f"runs as its owner, {function.owner}")
    if function.definer != should_be:
        found, right = words[function.definer], words[should_be]
        yield Finding("function-definer", function.signature, function.owner, found, right)
    if function.definer and not _is_pinned(function.search_path):
        found = f"its search_path is {function.search_path or 'that of who calls it'}"
        right = "pg_catalog, pg_temp"
        yield Finding("function-search-path", function.signature, function.owner, found, right)


def _is_pinned(search_path: str | None) -> bool:
    return search_path is not None and search_path.replace(" ", "") == "pg_catalog,pg_temp"


def _function_owner(function: Function, intent: Intent) -> Iterator[Finding]:
    wanted = intent.functions.get(function.signature)
    owners = {wanted.owner} if wanted else intent.owners
    if function.owner not in owners:
        right = " or ".join(sorted(owners))
        yield _owner("function", function.signature, function.owner, right)


def _default_privileges(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    written = {(entry.owner, entry.kind) for entry in catalog.default_grants if not entry.schema}
    for owner in sorted(intent.owners & catalog.roles.keys()):
        for kind, privilege in _OPEN_WHEN_NEW.items():
            if (owner, kind) not in written:
                yield _default(DefaultGrant(owner, "", kind, PUBLIC, privilege))
    for entry in catalog.default_grants:
        if entry.grantee != entry.owner:
            yield _default(entry)


def _default(entry: DefaultGrant) -> Finding:
    where = f" in schema {entry.schema}" if entry.schema else ""
    found = f"may {entry.privilege} every new {entry.kind} of {entry.owner}{where}"
    return Finding("default-privilege", entry.owner, entry.grantee, found, _NOTHING)


def _publications(catalog: Catalog, intent: Intent) -> Iterator[Finding]:
    found = {publication.name: publication for publication in catalog.publications}
    wanted = {publication.name: publication for publication in intent.publications}
    for name in sorted(found.keys() | wanted.keys()):
        tables = _tables_in(found[name].tables) if name in found else "is not there"
        if name in found and found[name].all_tables:
            tables = "has every table, later ones too"
        right = _tables_in(wanted[name].tables) if name in wanted else "no such publication"
        if tables != right:
            yield Finding("publication", name, "", tables, right)


def _tables_in(tables: tuple[str, ...]) -> str:
    return f"has {', '.join(sorted(tables)) or 'no table'}"
