"""Imports a data folder of the old viewer: reads its files, lets the database do the rest.

Every batch of records is a transaction. A run that was interrupted goes on behind the last batch
that was committed, if the files still begin with the bytes that were read; else a new run begins,
for which what is in counts as unchanged.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import cast

import psycopg
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from harness.connections import Connection, Server, check_server, connect
from harness.console import Watch
from harness.errors import ExitCode, SessionbaseError
from harness.legacy import steps
from harness.legacy.pipeline import ahead, bring_in_one_by_one, bring_in_side_by_side
from harness.legacy.reader import Batch, RecordFile, ResumePoint, StaleResumePoint
from harness.legacy.results import ImportRequest, ImportResult
from harness.legacy.staging import StagedBatch, Stager
from harness.legacy.steps import FILES, Interrupted, Run

_BUILD_PAYS_FROM = 8 << 20
"""Size of the files, in bytes, from which dropping and building indexes is quicker."""

_BUILT_KINDS = ("messages", "tool_events")
_WAYS_CROSS = "SB005"
_WAIT_STEP_S = 0.5
_MOST_JOBS = 16


def find_files(folder: Path) -> dict[str, Path | None]:
    """Find the three files by kind; None for one that is not there.

    Raises SessionbaseError (NO_DATA_FOLDER) if there is no folder, or none of the files in it.
    """
    hint = f"--data names the viewer's data folder, with {', '.join(FILES.values())} in it."
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER, f"can't read the folder {folder}: {error.strerror}", hint=hint
        ) from None
    # What stands there and is no file, a folder or a dead link, is an error when it is read.
    there = {kind: folder / name for kind, name in FILES.items() if name in names}
    if not there:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER, f"{folder} holds none of the viewer's files", hint=hint
        )
    return {kind: there.get(kind) for kind in FILES}


def check_request(request: ImportRequest, max_quarantine: int) -> None:
    """Check what can be checked before a server is asked.

    Raises SessionbaseError: what check_options() and check_folder() raise.
    """
    check_options(request, max_quarantine)
    check_folder(request.folder)


def check_options(request: ImportRequest, max_quarantine: int) -> None:
    """Check the options. Raises SessionbaseError (REFUSED) for one out of its range."""
    if not 1 <= request.jobs <= _MOST_JOBS:
        raise SessionbaseError(ExitCode.REFUSED, f"--jobs is from 1 to {_MOST_JOBS}")
    if max_quarantine < 0 or request.wait_s < 0:
        raise SessionbaseError(ExitCode.REFUSED, "--max-quarantine and --wait are not negative")


def check_folder(folder: Path) -> None:
    """Look at the beginning of all files, so that a wrong one stops an import before it begins.

    Raises SessionbaseError: NO_DATA_FOLDER, NOT_AN_ARRAY.
    """
    with ExitStack() as opened:
        for path in find_files(folder).values():
            if path:
                _Opened(path, None, opened)


def import_folder(server: Server, request: ImportRequest, watch: Watch) -> ImportResult:
    """Import a folder.

    Raises SessionbaseError for anything that keeps the import from going on; what was committed
    by then stays, and the same call goes on there. A record that can't come in does not stop it:
    it is quarantined and counted.
    """
    began = time.monotonic()
    with connect(server, "import") as connection, steps.in_words():
        check_server(connection)
        steps.become_importer(connection)
        with _one_transaction_if(connection, dry_run=request.dry_run):
            run = _Importer(server, connection, request, watch).bring_in_all()
            seconds = time.monotonic() - began
            done = steps.result(connection, run, server.label, request, seconds)
        steps.let_go(connection)
        return done


@contextmanager
def _one_transaction_if(connection: Connection, *, dry_run: bool) -> Iterator[None]:
    """Make batches savepoints of one transaction, rolled back at the end, for a dry run."""
    if not dry_run:
        yield
        return
    with connection.transaction(force_rollback=True):
        yield


class _Opened:
    """A file that is being read, until a stack is closed.

    Its first batch is read already: so it is there, and it begins as a run to be resumed needs it.
    """

    def __init__(self, path: Path, start: ResumePoint | None, stack: ExitStack) -> None:
        self.file = RecordFile(path)
        batches = cast("Generator[Batch]", self.file.batches(start))
        stack.enter_context(closing(batches))
        first = next(batches, None)
        self.batches: Iterator[Batch] = chain([first] if first else [], batches)


class _Importer:
    """One import under way."""

    def __init__(
        self, server: Server, connection: Connection, request: ImportRequest, watch: Watch
    ) -> None:
        self._server = server
        self._connection = connection
        self._request = request
        self._watch = watch
        self._paths = find_files(request.folder)

    def bring_in_all(self) -> Run:
        """Bring all files in and end the run."""
        with ExitStack() as self._opened:
            return self._bring_in_all()

    def _bring_in_all(self) -> Run:
        self._account_id = steps.find_account(self._connection, self._request.account)
        interrupted = self._wait_for_lock()
        opened = self._open_where_left(interrupted)
        if opened is None:
            interrupted = None
            opened = self._open_all({})
        self._run = steps.begin(
            self._connection,
            self._account_id,
            self._request,
            builds=self._would_build(),
            resumed=interrupted.id if interrupted else None,
        )
        for kind, file in opened.items():
            self._bring_in(kind, file)
        if self._run.builds:
            self._build()
        self._watch("checking the sums", 0, 0)
        steps.finish(self._connection, self._run)
        return self._run

    def _wait_for_lock(self) -> Interrupted | None:
        """Take the account's lock; wait a while if another import has it."""
        for attempt in Retrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, psycopg.Error) and error.sqlstate == "SB002"
            ),
            stop=stop_after_delay(self._request.wait_s),
            wait=wait_fixed(_WAIT_STEP_S),
            reraise=True,
        ):
            with attempt, self._connection.transaction():
                self._watch("waiting for another import to end", 0, 0)
                return steps.interrupted_run(self._connection, self._account_id)
        raise AssertionError("the last attempt returns or raises")

    def _open_where_left(self, interrupted: Interrupted | None) -> dict[str, _Opened | None] | None:
        """Open the files behind what an interrupted run has of them; None if they are others."""
        if interrupted is None or interrupted.on_conflict != self._request.on_conflict:
            return None
        if any(self._paths[kind] is None for kind in interrupted.points):
            return None
        try:
            return self._open_all(interrupted.points)
        except StaleResumePoint:
            return None

    def _open_all(self, points: dict[str, ResumePoint]) -> dict[str, _Opened | None]:
        return {
            kind: _Opened(path, points.get(kind), self._opened) if path else None
            for kind, path in self._paths.items()
        }

    def _would_build(self) -> bool:
        if self._request.dry_run or self._request.builds is False:
            return False
        size = sum(path.stat().st_size for path in self._paths.values() if path)
        return self._request.builds is True or size >= _BUILD_PAYS_FROM

    def _bring_in(self, kind: str, opened: _Opened | None) -> None:
        """Bring a file in behind where it was opened, and register it."""
        if opened:
            stager = Stager(self._run.id, kind)
            with ahead(map(stager.prepare, opened.batches)) as batches:
                self._bring_batches_in(kind, opened, batches)
        file = opened.file if opened else None
        steps.register_file(self._connection, self._run, kind, file)

    def _bring_batches_in(self, kind: str, opened: _Opened, batches: Iterator[StagedBatch]) -> None:
        file = opened.file
        stages = self._run.builds and kind in _BUILT_KINDS
        known_faults = 0
        planned: dict[Connection, int] = {}

        def bring(connection: Connection, batch: StagedBatch, only_if_clean: bool) -> bool:
            nonlocal known_faults
            if stages:
                steps.stage_batch(connection, self._run, file, batch)
                came_in = True
            else:
                if batch.number >= 2 * planned.get(connection, 0):
                    steps.forget_plans(connection)
                    planned[connection] = batch.number
                came_in = steps.import_batch(
                    connection, self._run, file, batch, only_if_clean=only_if_clean
                )
            if came_in and len(file.faults) > known_faults:
                steps.note_faults(connection, self._run, kind, file)
                known_faults = len(file.faults)
            return came_in

        def done(batch: StagedBatch) -> None:
            self._watch(f"reading {FILES[kind]}", batch.end, file.size_bytes)

        if self._request.jobs == 1 or self._request.dry_run or stages or kind == "threads":
            bring_in_one_by_one(self._connection, batches, bring, done)
            return
        failed: psycopg.Error | None = None
        with ExitStack() as stack:
            others = [
                stack.enter_context(connect(self._server, "import"))
                for _ in range(self._request.jobs - 1)
            ]
            for other in others:
                steps.become_importer(other)
            try:
                bring_in_side_by_side([self._connection, *others], batches, bring, done)
            except psycopg.Error as error:
                failed = error
        if failed:
            # Not before the others are closed: each would take it for its own, and show its text.
            raise failed

    def _size(self, kind: str) -> int:
        path = self._paths[kind]
        return path.stat().st_size if path else 0

    def _build(self) -> None:
        """Load what was staged, without indexes; with them, if records are in each other's way."""
        try:
            with self._connection.transaction():
                loads = steps.begin_build(self._connection, self._run)
                for kind, number, end in loads:
                    steps.load_batch(self._connection, self._run, kind, number)
                    self._watch(f"loading {FILES[kind]}", end, self._size(kind))
                if loads:
                    self._watch("building the indexes", 0, 0)
                    steps.forget_plans(self._connection)
                    steps.end_build(self._connection, self._run)
        except psycopg.Error as error:
            if error.sqlstate != _WAYS_CROSS:
                raise
            steps.give_up_build(self._connection, self._run)
            self._run = Run(self._run.id, self._run.attempt, builds=False)
            left = steps.interrupted_run(self._connection, self._account_id)
            for kind in _BUILT_KINDS:
                path = self._paths[kind]
                if path:
                    point = left.points.get(kind) if left else None
                    self._bring_in(kind, _Opened(path, point, self._opened))
