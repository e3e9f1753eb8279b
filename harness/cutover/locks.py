"""One cutover at a time: of a database, by a lock in it; of a folder, by a lock on a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from filelock import FileLock, Timeout
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from harness.connections import Connection, Server, connect, connection_lost
from harness.errors import ExitCode, SessionbaseError

_WAIT_S = 5
"""How long a server may take to see that a killed cutover is gone."""

_TAKE = "select pg_try_advisory_lock(hashtextextended('sessionbase cutover', 0))"
_HOLDERS = """
    select string_agg(held.pid::text, ', ')
    from pg_catalog.pg_locks as held
    where held.locktype = 'advisory'
        and held.granted
        and held.database = (select oid from pg_database where datname = current_database())
        and (held.classid::bigint << 32 | held.objid::bigint)
            = hashtextextended('sessionbase cutover', 0)
"""


@contextmanager
def locked(server: Server, folder: Path) -> Iterator[Connection]:
    """Hold a database and a folder; give the connection that holds the database.

    Raises SessionbaseError (CUTOVER_RUNNING) that says who has it.
    """
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SessionbaseError(
            ExitCode.CUTOVER_RUNNING,
            f"another cutover works in {folder}",
            hint="Wait for it to end.",
        ) from None
    try:
        with connect(server, "cutover lock") as connection:
            # It stands still for as long as the longest step takes.
            connection.execute("select set_config('idle_session_timeout', '0', false)")
            _take(connection, server)
            yield connection
    finally:
        lock.release()


def check_held(connection: Connection, server: Server) -> None:
    """Ask whether the lock is still held: it is while the connection lives.

    Raises SessionbaseError (UNREACHABLE).
    """
    try:
        connection.execute("select 1")
    except psycopg.OperationalError as error:
        raise connection_lost(server, error) from None


def _take(connection: Connection, server: Server) -> None:
    def is_ours() -> bool:
        row = connection.execute(_TAKE).fetchone()
        return bool(row and row[0])

    try:
        Retrying(
            retry=retry_if_result(lambda ours: not ours),
            wait=wait_fixed(0.2),
            stop=stop_after_delay(_WAIT_S),
        )(is_ours)
    except RetryError:
        row = connection.execute(_HOLDERS).fetchone()
        raise SessionbaseError(
            ExitCode.CUTOVER_RUNNING,
            f"another cutover of {server.label} is running, in backend process {row and row[0]}",
            hint="Wait for it to end.",
        ) from None
