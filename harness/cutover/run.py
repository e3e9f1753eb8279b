"""A cutover from its first step to its last, or from where it was left."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.errors import InsufficientPrivilege

from harness import console
from harness.connections import Connection, Server, connect
from harness.cutover import preflight, rehearsal
from harness.cutover.archive import check_archive
from harness.cutover.bringing import Bringing
from harness.cutover.journal import Facts, Journal
from harness.cutover.locks import check_held, locked
from harness.cutover.night import DO, Night, check_quarantine, database_id
from harness.cutover.report import write_report
from harness.cutover.request import STEPS, CutoverRequest
from harness.cutover.stop import forget_stop, keep_stop
from harness.cutover.sums import check_sums, read_sums
from harness.cutover.trial import Stopwatch
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings


@dataclass(frozen=True)
class Done:
    """What came of a cutover. was_done: it was finished before, and nothing was done now."""

    facts: dict[str, Any]
    was_done: bool


TellStop = Callable[[Facts], None]
"""Something that is told what is known of a cutover that stopped."""


def cut_over(
    real: Server,
    settings: Settings,
    request: CutoverRequest,
    tell_stop: TellStop = lambda _: None,
) -> Done:
    """Do all steps that are not done.

    Once one has begun, any end before the last is written down for people, and tell_stop hears of
    it: an error, or Ctrl-C. Only what kills the process leaves no more than the journal.

    Raises SessionbaseError: REFUSED for a folder that will not do; NOT_READY, with nothing
    changed; CUTOVER_STOPPED before the doors open; DATA_CHANGED; CUTOVER_RUNNING; OTHER_CUTOVER;
    and what import, migration and connections raise. The same call goes on where it stopped.
    """
    _check_out(request)
    make_folder(request)
    with locked(real, request.folder) as lock:
        if request.rehearse:
            return _rehearse(real, settings, request, lock, tell_stop)
        journal = _journal(request)
        journal.open(_head(real, request))
        if journal.is_finished:
            return Done(journal.facts("report") or {}, was_done=True)
        forget_stop(request)
        night = _night(settings, real, real, request, journal)
        _go(night, lock, tell_stop)
        return Done(night.facts("report"), was_done=False)


def make_folder(request: CutoverRequest) -> None:
    """Make the folder of the cutover, for who runs it only. Raises SessionbaseError (REFUSED)."""
    try:
        request.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"can't make the folder {request.folder}: {error.strerror}",
            hint="Name another one in --out.",
        ) from None


def _check_out(request: CutoverRequest) -> None:
    if request.out.resolve().is_relative_to(request.data.resolve()):
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"{request.out} is in the data folder, in which nothing may be written",
            hint="Name a folder elsewhere in --out, best on another disk.",
        )


def _journal(request: CutoverRequest) -> Journal:
    return Journal(request.folder / "journal.jsonl", list(STEPS))


def _head(server: Server, request: CutoverRequest) -> Facts:
    """Return what says which cutover it is: a new name or address of a server changes nothing."""
    return {
        "data": str(request.data.resolve()),
        "account": request.account or "",
        "database": f"{_system_id(server)}/{database_id(server)}",
    }


def _system_id(server: Server) -> str:
    with connect(server, "cutover") as connection:
        try:
            row = connection.execute("select system_identifier::text from pg_control_system()")
            ((found,),) = row.fetchall()
        except InsufficientPrivilege:
            # A service that shows it to nobody: where it is has to do.
            return server.label
        return str(found)


def _night(
    settings: Settings, real: Server, server: Server, request: CutoverRequest, journal: Journal
) -> Night:
    return Night(
        settings,
        real,
        server,
        request,
        journal,
        lambda: write_report(server, request, journal),
    )


def _rehearse(
    real: Server,
    settings: Settings,
    request: CutoverRequest,
    lock: Connection,
    tell_stop: TellStop,
) -> Done:
    """Do it all in a database of its own, and drop that, whatever comes of it."""
    forget_stop(request)
    server, journal = rehearsal.rehearsal_database(real), _journal(request)
    if not (rehearsal.is_there(real, server) and journal.is_of(_head(server, request))):
        journal.path.unlink(missing_ok=True)
        preflight.refuse(preflight.look_at_login(real, request))
        rehearsal.make(real, server)
    journal.open(_head(server, request))
    console.note(f"rehearsing in database {server.database}, which is dropped at the end")
    night = _night(settings, real, server, request, journal)
    with _cleared(real, server, request, journal):
        if not journal.is_finished:
            _go(night, lock, tell_stop)
        return Done(night.facts("report"), was_done=False)


@contextmanager
def _cleared(
    real: Server, server: Server, request: CutoverRequest, journal: Journal
) -> Iterator[None]:
    """Leave nothing of a rehearsal but its report."""
    try:
        yield
    finally:
        # The journal is last: as long as it is there the next rehearsal knows of this one.
        rehearsal.drop(real, server)
        shutil.rmtree(request.folder / "archive", ignore_errors=True)
        journal.path.unlink(missing_ok=True)


def _go(night: Night, lock: Connection, tell_stop: TellStop) -> None:
    """Do every step that is not done."""
    if night.journal.facts("preflight") is not None:
        console.note(f"going on with what was begun at {night.journal.begun_at:%Y-%m-%d %H:%M} UTC")
    name = next(name for name in STEPS if night.journal.facts(name) is None)
    try:
        _look_for_changes(night)
        _look_for_orders(night)
        for number, name in enumerate(STEPS, 1):
            if night.journal.facts(name) is None:
                check_held(lock, night.real)
                _do(night, name, number)
            if name == "import" and not _is_open(night):
                check_quarantine(night.facts(name), night.request.max_quarantine)
    except BaseException as error:
        facts = keep_stop(night, name, error)
        _say_closed(facts)
        tell_stop(facts)
        raise


def _do(night: Night, name: str, number: int) -> None:
    console.step(f"{number}/{len(STEPS)} {STEPS[name]}")
    journal, clock = night.journal, Stopwatch()
    journal.begin(name, _noted(night, name))
    try:
        facts = DO[name](night)
    except SessionbaseError as error:
        journal.stop(name, error.what)
        raise
    journal.end(name, clock.lap(), facts)


def _noted(night: Night, name: str) -> Facts:
    """Return what has to be known if a step is killed."""
    if name != "import":
        return {}
    return Bringing(night.server, night.request, night.sums).newest_run()


def _look_for_orders(night: Night) -> None:
    """Import again, if records in conflict are to be treated in another way now."""
    imported = night.journal.facts("import")
    if imported and imported["on_conflict"] != night.request.on_conflict and not _is_open(night):
        console.note(f"importing again, with --on-conflict={night.request.on_conflict}")
        night.journal.undo("import")


def _look_for_changes(night: Night) -> None:
    """Begin again with the archive, if it is not whole, or the files are not those it is of."""
    archived = night.journal.facts("archive")
    if archived is None or _is_open(night):
        return
    with console.progress() as tell:
        try:
            check_archive(Path(archived["path"]), tell)
            check_sums(night.sums, read_sums(night.request.data, tell), "now")
        except SessionbaseError as error:
            console.note(f"{error.what}: taking a new archive, and importing again")
            night.journal.undo("archive")


def _say_closed(facts: Facts) -> None:
    """Say that writes are refused, or may be, whatever else went wrong, and both ways on."""
    if facts["doors"] == "closed":
        console.note(
            "MAINTENANCE IS ON: applications read and can't write. Run the same command again to "
            f"go on, or go back: {facts['rollback'] or 'invoke rollback'}"
        )
    elif facts["doors"] == "unknown":
        console.note("MAINTENANCE MAY BE ON: once the database can be asked, `invoke maintenance`")


def _is_open(night: Night) -> bool:
    """Say whether the doors were opened again."""
    return night.journal.facts("open") is not None
