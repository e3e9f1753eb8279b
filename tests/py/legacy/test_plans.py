"""No step of an import does more than its records ask for, whatever is wrong with them.

An import into tables without statistics once compared all records with all. That takes no time
with the few records of a test, so what is measured is not time but what the plans did.
"""

from pathlib import Path
from typing import Unpack

import pytest

from harness.connections import Connection, Server
from harness.legacy.results import ImportResult
from harness.legacy.steps import FILES
from tests.py.legacy.builders import DEFAULT_ACCOUNT, How, Target, new_target, small_batches
from tests.py.legacy.plans import Plans, watched
from tests.py.legacy.wide_damage import REASONS, write_damaged

MESSAGES, BATCH = 2_000, 400
MOST_ROWS = 40
"""A record, in any step. A tenth of the records, compared with all others, would be 480 rows."""
MOST_PAGES = 10
"""A look in an index, for what the rows it gives do not account for: it is three pages deep."""


def wasteful(plans: Plans, records: int) -> list[str]:
    """Say which steps did too much for a run of so many records."""
    rows = [
        f"{count / records:.0f} rows a record: {step.node} of: {step.statement[:400]}"
        for step, count in plans.rows.items()
        if count > MOST_ROWS * records
    ]
    pages = [
        f"{count} pages in {plans.looks[step]} looks: {step.node} of: {step.statement[:400]}"
        for step, count in plans.pages.items()
        # A few looks that give many records may work on each: their pages count here, too.
        if count > MOST_PAGES * plans.looks[step] + plans.rows[step] + 4 * records
    ]
    return rows + pages


def reasons(result: ImportResult) -> dict[str, set[str]]:
    """Return what was said of the records, by kind."""
    return {
        kind: {one.reason for one in result.reasons if one.file == name}
        for kind, name in FILES.items()
    }


class Bed:
    """An account to import into, watched."""

    def __init__(self, patch: pytest.MonkeyPatch, server: Server, connection: Connection) -> None:
        self.patch = patch
        self.server = server
        self.connection = connection

    def bring(
        self, folder: Path, account: str = DEFAULT_ACCOUNT, **how: Unpack[How]
    ) -> ImportResult:
        """Import a folder; fail if a step did too much."""
        with watched(self.patch, self.server) as (server, plans):
            result = Target(server, self.connection, account).run(folder, **how)
        records = sum(file.read for file in result.files)
        # Those of functions are among them.
        assert any("legacy.judged_records" in statement for statement in plans.statements)
        assert wasteful(plans, records) == []
        return result


@pytest.fixture
def bed(monkeypatch: pytest.MonkeyPatch, database: Server, connection: Connection) -> Bed:
    small_batches(monkeypatch, BATCH)
    return Bed(monkeypatch, database, connection)


def test_empty_tables_are_built_and_a_rerun_changes_nothing(bed: Bed, data: Path) -> None:
    folder = write_damaged(data, MESSAGES, BATCH)
    first = bed.bring(folder, builds=True)
    assert reasons(first) == REASONS
    # It did not end as an import in batches.
    assert bed.connection.execute("select builds from legacy.import_runs").fetchall() == [(True,)]
    again = bed.bring(folder)
    assert [file.imported + file.adopted for file in again.files] == [0, 0, 0]


def test_empty_tables_are_filled_batch_by_batch(bed: Bed, data: Path) -> None:
    assert reasons(bed.bring(write_damaged(data, MESSAGES, BATCH))) == REASONS


def test_tables_that_others_have_filled(bed: Bed, data: Path) -> None:
    folder = write_damaged(data, MESSAGES, BATCH)
    Target(bed.server, bed.connection, DEFAULT_ACCOUNT).run(folder, builds=True)
    bed.connection.execute("vacuum (analyze)")
    other = new_target(bed.server, bed.connection)
    assert reasons(bed.bring(folder, other.account)) == REASONS

    changed = write_damaged(data, MESSAGES, BATCH, content="changed")
    replaced = bed.bring(changed, on_conflict="replace")
    assert "conflict_replaced" in reasons(replaced)["messages"]
