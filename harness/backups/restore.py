"""Restores a backup into an empty database, and compares what is there with what was backed up."""

from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from harness.backups.facts import Facts, Membership, Right, Role, TableSum, read_sums
from harness.backups.manifest import DUMP, Manifest, read_manifest
from harness.backups.programs import check_program, run_program
from harness.connections import Connection, Server, check_server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings

_WITH_OPTIONS = 160_000
"""Since this version a membership says whether it inherits, and whether it may set the role."""

_MOST_SHOWN = 5


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore. jobs: how many connections write; one writes all in one transaction."""

    folder: Path
    jobs: int = 1


@dataclass(frozen=True)
class Restored:
    """What was restored. roles_made: those that were not on the server."""

    manifest: Manifest
    roles_made: list[str]


def restore(server: Server, settings: Settings, request: RestoreRequest, tell: Tell) -> Restored:
    """Restore a backup.

    Raises SessionbaseError: what read_manifest() raises; REFUSED unless the database is empty;
    TOO_OLD for a server older than the one backed up; BACKUP_FAILED; DIFFERENT if what is there
    afterwards is not what was backed up. Nothing is left of a restore with one job that failed,
    but for roles.
    """
    tell("comparing every file with the manifest")
    manifest = read_manifest(request.folder)
    with connect(server, "restore") as connection:
        check_server(connection)
        check_program(settings, "pg_restore", connection.info.server_version)
        _check_target(connection, manifest.facts)
        made = _make_roles(connection, manifest.facts)
        whole = ["--single-transaction"] if request.jobs == 1 else [f"--jobs={request.jobs}"]
        run_program(
            server,
            settings,
            tell,
            "pg_restore",
            "--exit-on-error",
            *whole,
            f"--dbname={server.database}",
            str(request.folder / DUMP),
        )
        _grant_on_database(connection, manifest.facts.rights)
        connection.execute("analyze")
        tell("comparing every table with what was backed up")
        with connection.transaction():
            _compare(manifest.facts.tables, read_sums(connection))
    return Restored(manifest, made)


def _check_target(connection: Connection, facts: Facts) -> None:
    here, there = connection.info.server_version // 10_000, facts.server_version // 10_000
    if here < there:
        raise SessionbaseError(
            ExitCode.TOO_OLD,
            f"the backup is of Postgres {there}, and this server is Postgres {here}",
            hint=f"Restore it into Postgres {there} or newer.",
        )
    found = connection.execute(
        """
        select namespace.nspname
        from pg_namespace as namespace
        where namespace.nspname !~ '^pg_'
            and namespace.nspname <> 'information_schema'
            and (
                namespace.nspname <> 'public'
                or exists (select from pg_class where relnamespace = namespace.oid)
            )
        order by 1
        """
    ).fetchall()
    if found:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"the database {connection.info.dbname} is not empty: it has schema {found[0][0]}",
            hint="Make a new one (createdb NAME) and give that in DATABASE_URL.",
        )


def _make_roles(connection: Connection, facts: Facts) -> list[str]:
    """Make the roles that are missing, without passwords; those that are there stay as they are."""
    there = {name for (name,) in connection.execute("select rolname from pg_roles")}
    missing = [role for role in facts.roles if role.name not in there]
    with connection.transaction():
        for role in missing:
            _make_role(connection, role)
        for link in facts.memberships:
            _make_member(connection, link)
    return [role.name for role in missing]


def _make_role(connection: Connection, role: Role) -> None:
    options = {
        "inherit": role.inherit,
        "createrole": role.create_role,
        "createdb": role.create_database,
        "login": role.login,
        "replication": role.replication,
        "bypassrls": role.bypass_rls,
    }
    words = " ".join(name if has else f"no{name}" for name, has in options.items())
    name = sql.Identifier(role.name)
    connection.execute(sql.SQL("create role {} {}").format(name, sql.SQL(words)))
    connection.execute(sql.SQL("comment on role {} is {}").format(name, sql.Literal(role.comment)))


def _make_member(connection: Connection, link: Membership) -> None:
    options = [f"admin {_spelled(link.is_admin)}"]
    if connection.info.server_version >= _WITH_OPTIONS and link.inherits is not None:
        options += [f"inherit {_spelled(link.inherits)}", f"set {_spelled(bool(link.may_set))}"]
    statement = sql.SQL("grant {} to {}").format(
        sql.Identifier(link.role), sql.Identifier(link.member)
    )
    if connection.info.server_version >= _WITH_OPTIONS:
        statement += sql.SQL(" with {}").format(sql.SQL(", ".join(options)))
    elif link.is_admin:
        statement += sql.SQL(" with admin option")
    connection.execute(statement)


def _spelled(is_true: bool) -> str:
    return "true" if is_true else "false"


def _grant_on_database(connection: Connection, rights: list[Right]) -> None:
    """Give the database the rights that the one had: nobody has any but who is named."""
    database = sql.Identifier(connection.info.dbname)
    with connection.transaction():
        connection.execute(sql.SQL("revoke all on database {} from public").format(database))
        for one in rights:
            role = sql.SQL("public") if one.role == "public" else sql.Identifier(one.role)
            statement = sql.SQL("grant {} on database {} to {}").format(
                sql.SQL(one.right.lower()), database, role
            )
            if one.is_grantable:
                statement += sql.SQL(" with grant option")
            connection.execute(statement)


def _compare(wanted: list[TableSum], found: list[TableSum]) -> None:
    """Raise SessionbaseError (DIFFERENT) unless every table has what it had."""
    was, here = {one.table: one for one in wanted}, {one.table: one for one in found}
    different = sorted(name for name in was.keys() | here.keys() if was.get(name) != here.get(name))
    if different:
        shown = ", ".join(different[:_MOST_SHOWN])
        raise SessionbaseError(
            ExitCode.DIFFERENT,
            f"{len(different)} tables are not as they were backed up: {shown}",
            hint="Drop the database, keep the backup, and report it.",
        )
