"""One measurement in a process of its own, so that its memory is its own.

`python -m bench.one` reads a Job as JSON from standard input and writes a Measured as JSON. The
clock starts behind a checkpoint, with everything prepared, and stops when all is committed.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from psycopg.types.json import Jsonb

from bench.rows import copy_blocks, load, read_blocks
from bench.snapshot import ACCOUNT_ID, Record
from harness.connections import Connection, Server, connect
from harness.console import quiet_watch
from harness.errors import SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.legacy.steps import FILES

Way = Literal["import", "copy", "insert"]

_STATUS = Path("/proc/self/status")
_INSERT = """
    insert into app.chat_messages (
        account_id, id, session_id, thread_id, mode, role, content, client_message_id,
        misalignment_id, evidence, context_events, created_at, updated_at
    )
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Job:
    """What to measure.

    way: import, our import; copy, COPY of ready rows; insert, row by row from json.load.
    conninfo: of the database, which is changed. folder: a snapshot's. jobs: of an import.
    """

    way: Way
    conninfo: str
    folder: str
    jobs: int = 1


@dataclass(frozen=True)
class Measured:
    """What was measured. peak_mb: resident memory of the client. The rest is what came of it."""

    seconds: float
    peak_mb: float
    imported: int
    unchanged: int = 0
    adopted: int = 0
    quarantined: int = 0

    @property
    def records(self) -> int:
        """How many records were dealt with."""
        return self.imported + self.unchanged + self.adopted + self.quarantined


def _import(job: Job) -> Measured:
    server = Server(job.conninfo, embedded=True)
    with connect(server, "bench") as connection:
        connection.execute("checkpoint")
    request = ImportRequest(Path(job.folder), ACCOUNT_ID, jobs=job.jobs)
    began = time.perf_counter()
    result = import_folder(server, request, quiet_watch)
    seconds = time.perf_counter() - began
    return Measured(
        seconds,
        _peak_mb(),
        imported=sum(file.imported for file in result.files),
        unchanged=sum(file.unchanged for file in result.files),
        adopted=sum(file.adopted for file in result.files),
        quarantined=result.quarantined,
    )


def _copy(job: Job) -> Measured:
    blocks = read_blocks(Path(job.folder), "chat_messages")
    return _with_threads_loaded(job, lambda c: copy_blocks(c, "chat_messages", blocks))


def _insert(job: Job) -> Measured:
    return _with_threads_loaded(job, lambda c: _insert_all(c, Path(job.folder)))


def _with_threads_loaded(job: Job, bring: Callable[[Connection], int]) -> Measured:
    """Measure what brings messages in, their threads being there already."""
    with connect(Server(job.conninfo, embedded=True), "bench") as connection:
        load(connection, Path(job.folder), "sessions", "chat_threads")
        connection.execute("checkpoint")
        began = time.perf_counter()
        with connection.transaction():
            count = bring(connection)
        return Measured(time.perf_counter() - began, _peak_mb(), imported=count)


def _insert_all(connection: Connection, folder: Path) -> int:
    with (folder / FILES["messages"]).open("rb") as stream:
        records: list[Record] = json.load(stream)
    with connection.cursor() as cursor:
        for record in records:
            cursor.execute(_INSERT, _values(record), prepare=True)
    return len(records)


def _values(record: Record) -> list[object]:
    evidence, context_events = record.get("evidence"), record.get("contextEvents")
    return [
        ACCOUNT_ID,
        record["id"],
        record["sessionId"],
        record["threadId"],
        record["mode"],
        record["role"],
        record["content"],
        record.get("clientMessageId"),
        record.get("misalignmentId"),
        evidence and Jsonb(evidence),
        context_events and Jsonb(context_events),
        record["createdAt"],
        record["updatedAt"],
    ]


def _peak_mb() -> float:
    """Return the most memory this process has had resident, in MB of 10^6 bytes."""
    if _STATUS.exists():
        # getrusage would count the process that started this one, for it began as a copy of that.
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e6


_WAYS: dict[Way, Callable[[Job], Measured]] = {"import": _import, "copy": _copy, "insert": _insert}


def _main() -> None:
    job = Job(**json.load(sys.stdin))
    try:
        json.dump(asdict(_WAYS[job.way](job)), sys.stdout)
    except SessionbaseError as error:
        # The bench shows the last line of what a failed measurement wrote.
        sys.exit(error.what)


if __name__ == "__main__":
    _main()
