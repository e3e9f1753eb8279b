"""Waiting for something to happen, with an end."""

import time
from collections.abc import Callable

from harness.connections import Connection

_DEADLINE_S = 30


def wait_until(is_true: Callable[[], bool]) -> None:
    """Ask until the answer is yes. Fails after 30 s."""
    deadline = time.monotonic() + _DEADLINE_S
    while not is_true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


def wait_until_no_import_is_connected(connection: Connection) -> None:
    """Wait until the backends of all imports into this database have ended. Fails after 30 s."""
    wait_until(
        lambda: (
            not connection.execute(
                "select from pg_stat_activity "
                "where datname = current_database() and application_name like '%import%'"
            ).fetchall()
        )
    )
