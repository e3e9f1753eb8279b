"""Applies what is pending: migrations one transaction each, functions and policies all in one."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from psycopg import pq
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
    wait_fixed,
)

from harness.connections import SCHEMAS, Connection, Server, check_server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.migrations import ledger
from harness.migrations.failures import FileError, for_person, is_held_by_others
from harness.migrations.files import SqlFile, discover
from harness.migrations.holders import who_holds
from harness.migrations.plan import Plan, check_policies, make_plan, without_those_of
from harness.migrations.script import ScriptError, run_script
from harness.settings import SQL, Settings

_POLL_SECONDS = 0.2


class Migrator:
    """Brings a database to the state of a folder of SQL files."""

    def __init__(
        self,
        settings: Settings,
        folder: Path = SQL,
        *,
        tell: Tell = lambda _: None,
        warn: Tell = lambda _: None,
    ) -> None:
        """folder: what sql/ is here. tell hears what is being done; warn why it has to wait."""
        self._settings = settings
        self._folder = folder
        self._tell = tell
        self._warn = warn

    def plan(self, server: Server, *, reapply: bool = False) -> Plan:
        """Say what would be done. Changes nothing, waits for nothing."""
        with connect(server, "migrate") as connection:
            check_server(connection)
            return self._plan(connection, reapply=reapply)

    def sees_ledger(self, server: Server) -> bool:
        """Whether the login may know what was applied. One that only imports may not."""
        with connect(server, "migrate") as connection:
            return not ledger.is_hidden(connection)

    def apply(self, server: Server, *, reapply: bool = False) -> list[SqlFile]:
        """Apply what is pending and return it. reapply: every function and policy again.

        Raises SessionbaseError; what was applied before the failure stays.
        """
        with connect(server, "migrate") as connection:
            check_server(connection)
            self._take_lock(connection)
            plan = self._plan(connection, reapply=reapply)
            for file in plan.versioned:
                self._attempt(connection, partial(self._apply_versioned, connection, file))
            if plan.repeatable or plan.gone:
                self._attempt(connection, partial(self._apply_repeatable, connection, plan))
            return [*plan.versioned, *plan.repeatable]

    def _plan(self, connection: Connection, *, reapply: bool) -> Plan:
        entries = ledger.read(connection)
        plan = make_plan(discover(self._folder), entries, reapply=reapply)
        if not reapply:
            gone = {entry.name for entry in plan.gone}
            on_disk = [entry for entry in entries.values() if entry.name not in gone]
            in_force = ledger.policies_in_force(connection)
            if plan.versioned:
                # A migration takes a table out, and its policy file goes with it. Whether the
                # policies are gone then is checked when all is applied.
                in_force = without_those_of(plan.gone, in_force)
            check_policies(on_disk, in_force)
        return plan

    def _take_lock(self, connection: Connection) -> None:
        """Wait until no other migrate works on this database.

        Asking again and again, where waiting in the server would be simpler, keeps this session
        free of a snapshot: `create index concurrently` of the other one waits for those.
        """
        ask = "select pg_try_advisory_lock(hashtextextended('sessionbase migrate', 0))"

        def is_free() -> bool:
            row = connection.execute(ask).fetchone()
            return bool(row and row[0])

        if is_free():
            return
        self._warn("another migrate works on this database; waiting for it")
        try:
            Retrying(
                retry=retry_if_result(lambda free: not free),
                wait=wait_fixed(_POLL_SECONDS),
                stop=stop_after_delay(self._settings.migrate_wait_s),
            )(is_free)
        except RetryError:
            raise SessionbaseError(
                ExitCode.MIGRATION_LOCKED,
                f"another migrate has worked on this database for "
                f"{self._settings.migrate_wait_s} s or more",
                hint="See what it does in pg_stat_activity (application_name 'sessionbase "
                "migrate'), or wait longer with SESSIONBASE_MIGRATE_WAIT_S.",
            ) from None

    def _attempt(self, connection: Connection, apply: Callable[[], None]) -> None:
        """Try, again after a growing pause while others hold a table lock that is needed.

        A failure is written into the ledger, once all that it did is rolled back.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_held_by_others),
            wait=wait_exponential_jitter(multiplier=0.2, max=5),
            stop=stop_after_attempt(self._settings.lock_tries),
            before_sleep=lambda state: self._warn(
                f"a table is locked by others; this was try {state.attempt_number} "
                f"of {self._settings.lock_tries}"
            ),
            reraise=True,
        )
        try:
            retrying(apply)
        except FileError as error:
            # At once: whoever it is may be gone in a moment.
            holders = who_holds(connection) if is_held_by_others(error) else ""
            if ledger.exists(connection):
                with connection.transaction():
                    _as_owner(connection)
                    ledger.record_failed(connection, error)
            raise for_person(error, holders) from None

    def _apply_versioned(self, connection: Connection, file: SqlFile) -> None:
        self._tell(f"applying {file.name}")
        if file.no_transaction:
            self._apply_outside_transaction(connection, file)
            return
        with connection.transaction(), _timed(file) as clock:
            self._run(connection, file)
            _as_owner(connection)
            ledger.record_applied(connection, file, clock.milliseconds(), {})

    def _apply_outside_transaction(self, connection: Connection, file: SqlFile) -> None:
        # Without a lock timeout: a build that is cut off leaves an index that is not valid, and
        # while a concurrent one waits it is in nobody's way.
        with _timed(file) as clock:
            run_script(connection, file.text, one_statement=True)
            _refuse_invalid_indexes(connection, file)
            with connection.transaction():
                _as_owner(connection)
                ledger.record_applied(connection, file, clock.milliseconds(), {})

    def _apply_repeatable(self, connection: Connection, plan: Plan) -> None:
        """Apply functions and policies, whole or not at all, and check the policies then."""
        with connection.transaction():
            for file in plan.repeatable:
                self._tell(f"applying {file.name}")
                with _timed(file) as clock:
                    before = ledger.policy_ids(connection)
                    self._run(connection, file)
                    _as_owner(connection)
                    declared = ledger.policies_in_force(connection, besides=before)
                    ledger.record_applied(connection, file, clock.milliseconds(), declared)
                    connection.execute("reset role")
            _as_owner(connection)
            for entry in plan.gone:
                ledger.forget(connection, entry.name)
            check_policies(ledger.read(connection).values(), ledger.policies_in_force(connection))

    def _run(self, connection: Connection, file: SqlFile) -> None:
        """Run a file in the open transaction, which the file must not end."""
        connection.execute(
            "select set_config('lock_timeout', %s, true)", [f"{self._settings.lock_timeout_ms}ms"]
        )
        transaction = _transaction_id(connection)
        run_script(connection, file.text)
        if (
            connection.info.transaction_status != pq.TransactionStatus.INTRANS
            or _transaction_id(connection) != transaction
        ):
            raise SessionbaseError(
                ExitCode.MIGRATION_FAILED,
                f"sql/{file.name} ends its transaction (commit or rollback)",
                hint="Take that out: the file and its ledger row are one transaction. "
                "What it had done before stays; look at the database.",
            )


class _Clock:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def milliseconds(self) -> int:
        """Milliseconds since then, whole."""
        return round((time.monotonic() - self._start) * 1000)


@contextmanager
def _timed(file: SqlFile) -> Iterator[_Clock]:
    """Time a file, and say of which file an error is."""
    clock = _Clock()
    try:
        yield clock
    except ScriptError as error:
        raise FileError(file, error, clock.milliseconds()) from error


def _as_owner(connection: Connection) -> None:
    """Write the ledger as the role that owns it, whatever role the file had set."""
    connection.execute("set local role sessionbase_owner")


def _transaction_id(connection: Connection) -> object:
    row = connection.execute("select pg_current_xact_id()::text").fetchone()
    return row and row[0]


def _refuse_invalid_indexes(connection: Connection, file: SqlFile) -> None:
    """Fail if a concurrent build was interrupted: it leaves an index that serves nothing."""
    rows = connection.execute(
        """
        select indexrelid::regclass::text
        from pg_catalog.pg_index
        inner join pg_catalog.pg_class on pg_class.oid = pg_index.indexrelid
        where not indisvalid
            and relnamespace::regnamespace::text = any (%s)
        """,
        [list(SCHEMAS)],
    ).fetchall()
    if rows:
        names = ", ".join(row[0] for row in rows)
        raise SessionbaseError(
            ExitCode.MIGRATION_FAILED,
            f"sql/{file.name} left an index that is not valid: {names}",
            hint="drop index concurrently NAME; then run invoke migrate again.",
        )
