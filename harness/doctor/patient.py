"""The database that is examined, and how it is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harness.connections import Connection, Server
from harness.settings import Settings

_HURRY = "-c statement_timeout=30s -c lock_timeout=3s"
"""So that what stands still is said, and the doctor does not stand still with it."""

_STEPS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_SPANS = ((2 * 86_400, 86_400, "days"), (2 * 3_600, 3_600, "h"), (2 * 60, 60, "min"))


@dataclass(frozen=True)
class Patient:
    """A database, a connection to it, and the settings that say what belongs to it."""

    server: Server
    connection: Connection
    settings: Settings

    def rows(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Return what a query gives."""
        return self.connection.execute(query.encode(), values).fetchall()

    def row(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> tuple[Any, ...]:
        """Return the one row that a query gives."""
        (row,) = self.rows(query, values)
        return row

    @property
    def hurried(self) -> Server:
        """The same database, for connections that wait for no lock for long."""
        options = str(conninfo_to_dict(self.server.conninfo).get("options") or "")
        conninfo = make_conninfo(self.server.conninfo, options=f"{options} {_HURRY}".strip())
        return Server(conninfo, embedded=self.server.embedded)

    @property
    def major(self) -> int:
        """The server's major version."""
        return self.connection.info.server_version // 10_000


def size(count: float) -> str:
    """Say how many bytes, for people."""
    for step, unit in _STEPS:
        if abs(count) >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count:.0f} bytes"


def span(seconds: float) -> str:
    """Say how long, for people."""
    for least, step, unit in _SPANS:
        if seconds >= least:
            return f"{seconds / step:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
