"""Keeps several hands busy with the batches of a file: one reads, one or more bring them in."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

import psycopg

from harness.connections import Connection
from harness.legacy.staging import StagedBatch

_Batch = TypeVar("_Batch")

_AHEAD = 1
_LOOK_S = 0.1
_TRIES = 5


class _Stopped(Exception):  # noqa: N818 - it ends a thread, and nobody else sees it
    """Another thread has failed, or the user has had enough."""


class _Reader(Generic[_Batch]):
    """Reads batches in a thread of its own, one ahead of who takes them."""

    def __init__(self, batches: Iterator[_Batch]) -> None:
        self._batches = batches
        self._waiting: queue.Queue[_Batch | BaseException | None] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._thread.start()

    def given(self) -> Iterator[_Batch]:
        """Give the batches; raise what reading them raised."""
        while (item := self._waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def end(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            for batch in self._batches:
                self._put(batch)
                if self._stop.is_set():
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - raised again by who asks for a batch
            self._put(error)

    def _put(self, item: _Batch | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                self._waiting.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return


@contextmanager
def ahead(batches: Iterator[_Batch]) -> Iterator[Iterator[_Batch]]:
    """Give the same batches, read and made ready ahead of time.

    What the reading raises is raised where the batch would have been.
    """
    reader = _Reader(batches)
    try:
        yield reader.given()
    finally:
        reader.end()


class Turns:
    """Lets threads work on batches at the same time and commit them in the order of the file.

    So the outcome is that of one batch after the other: which of two records of one id came first
    does not depend on which thread was faster. A batch that needs a look at each of its records
    waits for its turn, and the others make room: they undo what they have done ahead of theirs.
    """

    def __init__(self, first: int) -> None:
        self._next = first
        self._room_for: int | None = None
        self._stopped = False
        self._changed = threading.Condition()

    def wait(self, number: int, *, holds_rows: bool) -> bool:
        """Wait for a batch's turn. False: make room, undo the batch and wait again.

        holds_rows: whether the batch has rows that are not committed.
        """
        with self._changed:
            while self._next != number:
                if self._stopped:
                    raise _Stopped
                if holds_rows and self._room_for is not None:
                    return False
                self._changed.wait(_LOOK_S)
            return True

    @contextmanager
    def careful(self, number: int) -> Iterator[None]:
        """Have the others make room while this batch, whose turn it is, is worked on."""
        with self._changed:
            self._room_for = number
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._room_for = None

    def done(self) -> None:
        """Give the turn to the next batch."""
        with self._changed:
            self._next += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """End the waiting of all."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


ImportBatch = Callable[[Connection, StagedBatch, bool], bool]
"""Imports a batch in the open transaction; the last argument: only if it is clean, else False."""


def bring_in_one_by_one(
    connection: Connection,
    batches: Iterator[StagedBatch],
    import_batch: ImportBatch,
    done: Callable[[StagedBatch], None],
) -> None:
    """Bring batches in, each in a transaction of its own (or a savepoint, if one is open)."""
    for batch in batches:
        with connection.transaction():
            import_batch(connection, batch, False)
        done(batch)


def bring_in_side_by_side(
    connections: list[Connection],
    batches: Iterator[StagedBatch],
    import_batch: ImportBatch,
    done: Callable[[StagedBatch], None],
) -> None:
    """Bring batches in over several connections, committed in order."""
    first = next(batches, None)
    if first is None:
        return
    turns = Turns(first.number)
    source = _Source(first, batches)

    def work(connection: Connection) -> None:
        try:
            while (batch := source.take()) is not None:
                _bring_in(connection, batch, import_batch, turns)
                done(batch)
                turns.done()
        except _Stopped:
            return
        except BaseException:
            turns.stop()
            raise

    with ThreadPoolExecutor(len(connections)) as pool:
        running = [pool.submit(work, connection) for connection in connections]
        try:
            for future in running:
                future.result()
        except BaseException:
            turns.stop()
            for connection in connections:
                connection.cancel_safe()
            raise


class _Source:
    """Batches, for threads to take one after the other."""

    def __init__(self, first: StagedBatch, rest: Iterator[StagedBatch]) -> None:
        self._lock = threading.Lock()
        self._batches = self._chain(first, rest)

    @staticmethod
    def _chain(first: StagedBatch, rest: Iterator[StagedBatch]) -> Iterator[StagedBatch]:
        yield first
        yield from rest

    def take(self) -> StagedBatch | None:
        with self._lock:
            return next(self._batches, None)


def _bring_in(
    connection: Connection, batch: StagedBatch, import_batch: ImportBatch, turns: Turns
) -> None:
    """Try a batch at once; if that can't be, bring it in when it is its turn."""
    number = batch.number
    if _try_ahead(connection, batch, import_batch, turns):
        return
    turns.wait(number, holds_rows=False)
    with turns.careful(number):
        for rest in reversed(range(_TRIES)):
            try:
                with connection.transaction():
                    import_batch(connection, batch, False)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                # Another batch has not made room yet.
                if not rest:
                    raise
            else:
                return


def _try_ahead(
    connection: Connection, batch: StagedBatch, import_batch: ImportBatch, turns: Turns
) -> bool:
    """Import a clean batch before its turn and commit it in its turn. False: it is undone."""
    try:
        with connection.transaction():
            # Who has the turn may wait for a row of this batch, which waits for the turn.
            connection.execute("set local lock_timeout = '500ms'")
            if import_batch(connection, batch, True) and turns.wait(batch.number, holds_rows=True):
                return True
            raise psycopg.Rollback
    except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
        return False
    return False
