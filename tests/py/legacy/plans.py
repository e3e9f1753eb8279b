"""What the statements of an import did, by the plans that Postgres chose for them.

auto_explain sends the plan of every statement, also of those in functions, as a warning to the
client. Counted is work, not time, so it is the same on a busy machine.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from harness import connections
from harness.connections import Connection, Server
from harness.legacy import importer

_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_format": "json",
    # Some functions of the import want no notices.
    "auto_explain.log_level": "warning",
}
_ROWS = (
    "Actual Rows",
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
)
_PAGES = (
    "Shared Hit Blocks",
    "Shared Read Blocks",
    "Local Hit Blocks",
    "Local Read Blocks",
)
_INDEX_SCANS = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}


@dataclass(frozen=True)
class Step:
    """A node of a statement's plan: what it does, on what, and the statement."""

    node: str
    statement: str


class Plans:
    """All that was done in a run, added up over all executions of a statement.

    rows: how many rows a step of a plan made or looked at. pages: how many pages of an index and
    its table it looked at, and looks: how often, both of steps that look in an index. statements:
    how often each ran.
    """

    def __init__(self) -> None:
        self.rows: Counter[Step] = Counter()
        self.pages: Counter[Step] = Counter()
        self.looks: Counter[Step] = Counter()
        self.statements: Counter[str] = Counter()

    def take(self, notice: psycopg.errors.Diagnostic) -> None:
        """Add what a message of the server says of a plan; other messages are nothing here."""
        _, is_plan, text = (notice.message_primary or "").partition("plan:\n")
        if is_plan:
            said = json.loads(text)
            statement = " ".join(said["Query Text"].split())
            self.statements[statement] += 1
            self._add(statement, "", said["Plan"])

    def _add(self, statement: str, above: str, node: dict[str, Any]) -> None:
        on = node.get("Index Name") or node.get("Relation Name") or node.get("CTE Name") or ""
        path = f"{above} > {node['Node Type']} {on}".rstrip()
        step = Step(path, statement)
        inner = node.get("Plans", [])
        loops = node["Actual Loops"]
        self.rows[step] += round(loops * max(node.get(name, 0) for name in _ROWS))
        if node["Node Type"] in _INDEX_SCANS:
            self.pages[step] += _pages(node) - sum(map(_pages, inner))
            self.looks[step] += loops
        for one in inner:
            self._add(statement, path, one)


def _pages(node: dict[str, Any]) -> int:
    return sum(node[name] for name in _PAGES)


@contextmanager
def watched(patch: pytest.MonkeyPatch, server: Server) -> Iterator[tuple[Server, Plans]]:
    """Give a server whose imports say what they did, and where that is added up.

    The server's login must be a superuser.
    """
    plans = Plans()

    @contextmanager
    def connect(asked: Server, purpose: str) -> Iterator[Connection]:
        with connections.connect(asked, purpose) as connection:
            connection.add_notice_handler(plans.take)
            yield connection

    options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    conninfo = make_conninfo(server.conninfo, options=options)
    with patch.context() as patched:
        patched.setattr(importer, "connect", connect)
        yield Server(conninfo, embedded=server.embedded), plans
