"""Whether the server is ready: what it is, what the login may do, and who else is at work."""

from typing import LiteralString

from harness import connections
from harness.connections import Connection, Server
from harness.cutover.finding import Findings
from harness.cutover.mark import knows
from harness.doctor.server import setting_of, symptoms_of
from harness.doctor.symptoms import Urgency
from harness.legacy import steps
from harness.migrations.runner import Migrator
from harness.settings import Settings

DEFAULT_ACCOUNT = "default"
"""The account that migrations make."""

_DEFAULT_ID = "00000000-0000-4000-8000-000000000001"

_ACTS_AS = ("importer", "import_definer", "reviewer", "authorizer")
"""The roles that import, verify, check, and mark maintenance."""

_LOGIN: LiteralString = """
    select
        login.rolname,
        login.rolsuper,
        login.rolcreaterole,
        login.rolsuper or login.rolcreatedb,
        pg_has_role(login.oid, database.datdba, 'usage')
    from pg_roles as login
    cross join pg_database as database
    where login.rolname = current_user
        and database.datname = current_database()
"""
_LACKING: LiteralString = """
    select rolname
    from pg_roles
    where rolname = any (%s)
        and not pg_has_role(current_user, oid, 'member')
    order by rolname
"""
_IMPORTERS: LiteralString = """
    select string_agg(distinct held.pid::text, ', ')
    from pg_locks as held
    where held.locktype = 'advisory'
        and held.granted
        and held.database = (select oid from pg_database where datname = current_database())
        and (held.classid::bigint << 32 | held.objid::bigint)
            = hashtextextended('sessionbase import ' || %s, 0)
"""


def check_what_it_is(connection: Connection, found: Findings) -> None:
    """Look at version, wal_level, encoding, and whether it can be written to."""
    for symptom in symptoms_of(connection):
        bad = symptom.urgency != Urgency.FINE
        found.add(symptom.what, symptom.found, symptom.remedy if bad else "")
    newest = connections.NEWEST_MAJOR
    if connection.info.server_version // 10_000 > newest:
        found.note("Postgres", f"is newer than {newest}, the newest that was tried")
    encoding = setting_of(connection, "server_encoding")
    found.add(
        "encoding",
        encoding,
        ""
        if encoding == "UTF8"
        else "Make the database anew: create database NAME encoding 'UTF8' template template0",
    )
    if setting_of(connection, "transaction_read_only") == "on":
        found.add(
            "writing",
            "this login's transactions are read-only",
            "Give the primary in DATABASE_URL, and look at default_transaction_read_only.",
        )


def check_login(connection: Connection, found: Findings, *, rehearse: bool) -> bool:
    """Look at what the login may do. Returns whether it may make a database."""
    ((name, is_super, makes_roles, makes_databases, owns),) = connection.execute(_LOGIN).fetchall()
    is_new = not knows(connection, "legacy", "find_account")
    lacking = [role for (role,) in connection.execute(_LACKING, [list(_ACTS_AS)])]
    if lacking and not is_super:
        found.add(
            "rights",
            f"{name} can't act as {', '.join(lacking)}",
            f'As an administrator: grant {", ".join(lacking)} to "{name}"',
        )
    if is_new and not (is_super or owns):
        found.add(
            "rights",
            f"{name} does not own the database, which the first migration changes",
            f'As an administrator: alter database "{connection.info.dbname}" owner to "{name}"',
        )
    if is_new and not (is_super or makes_roles):
        found.add(
            "rights",
            f"{name} may not make roles, which the first migration does",
            f'As an administrator: alter role "{name}" createrole',
        )
    if rehearse and not makes_databases:
        found.add(
            "rights",
            f"{name} may not make a database, which a rehearsal needs",
            f'As an administrator: alter role "{name}" createdb',
        )
    if is_super or not found.problems:
        found.add("rights", f"{name}{' is a superuser' if is_super else ' has what it needs'}")
    return bool(makes_databases)


def check_migrations(server: Server, settings: Settings, found: Findings) -> None:
    """Look at what is pending, and whether it can be applied."""
    with found.asking("migrations"):
        plan = Migrator(settings).plan(server)
        waiting = len(plan.versioned) + len(plan.repeatable)
        found.add("migrations", f"{waiting} files of sql/ to apply" if waiting else "none pending")


def check_account(connection: Connection, account: str | None, found: Findings) -> None:
    """Look whether the account is known, and whether somebody imports into it."""
    if knows(connection, "legacy", "find_account"):
        _check_known(connection, account, found)
    elif account in {None, DEFAULT_ACCOUNT, _DEFAULT_ID}:
        found.add("account", f"{DEFAULT_ACCOUNT}, which the first migration makes")
    else:
        found.add(
            "account",
            f"there is no account {account} yet: the first migration makes {DEFAULT_ACCOUNT} only",
            "invoke migrate; then invoke add-identity --create with that account; or leave it out",
        )


def _check_known(connection: Connection, account: str | None, found: Findings) -> None:
    account_id = None
    with found.asking("account"), steps.in_words(), connection.transaction():
        connection.execute("set local role importer")
        account_id = steps.find_account(connection, account)
    if account_id is None:
        return
    found.add("account", account or "the only one")
    row = connection.execute(_IMPORTERS, [account_id]).fetchone()
    if row and row[0]:
        found.add(
            "imports",
            f"another import into the account is running, in backend process {row[0]}",
            "Wait for it to end, or end it.",
        )
    else:
        found.add("imports", "nobody else imports into the account")


def has_rows(connection: Connection) -> bool:
    """Say whether messages are there already, so that keys are not built after the rows."""
    row = connection.execute(
        "select pg_relation_size(class.oid) > 0 from pg_class as class "
        "inner join pg_namespace as namespace on class.relnamespace = namespace.oid "
        "where namespace.nspname = 'app' and class.relname = 'chat_messages'"
    ).fetchone()
    return bool(row and row[0])
