"""The way back: the old viewer's files as they were archived, or as the database has them now.

What stands in the data folder is never lost: it is kept in a dated folder beside. Each file comes
whole and by a rename, so whatever kills the command leaves the old one or the new one; the same
command again does the rest. The database is never deleted; writing into it is stopped.
"""

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

from harness.connections import Server, connect
from harness.console import Tell
from harness.cutover.archive import check_archive, sync_folder, unpack_archive
from harness.cutover.folder import DataFile, list_files, sum_up
from harness.cutover.losses import Loss, count_losses
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.exporter import ExportRequest, export_folder, unreadable_name
from harness.legacy.reading import reading
from harness.legacy.steps import FILES
from harness.maintenance import begin_maintenance

_STAGE = ".rollback-unfinished"
_ASIDE = "before-rollback-"
_REASON = "rolled back to the old viewer"
_OURS = [name for kind in FILES for name in (FILES[kind], unreadable_name(kind))]
"""What the old viewer and the export write. Of these, what is not restored is put aside."""

Fate = Literal["restored", "unchanged", "put aside"]


@dataclass(frozen=True)
class RollbackRequest:
    """Where to, and what. archive: what to restore; None: write what the database has.

    server: None restores without a word to the database. wait_s: how long to wait for who writes.
    """

    data: Path
    archive: Path | None
    server: Server | None
    account: str | None = None
    dry_run: bool = False
    wait_s: float = 30.0


@dataclass(frozen=True)
class FileRolledBack:
    """What became, or would become, of a file of the data folder."""

    name: str
    fate: Fate
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class RolledBack:
    """What was done. aside: the folder with what stood there, if something was replaced.

    others: files that are not the archive's, and stay. losses: of which the database has more
    than the files can hold. stopped: whether writing into the database is stopped.
    """

    folder: str
    archive: str | None
    dry_run: bool
    stopped: bool
    aside: str | None
    files: list[FileRolledBack]
    others: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)


def roll_back(request: RollbackRequest, tell: Tell) -> RolledBack:
    """Put the old viewer's files back.

    Raises SessionbaseError: what check_archive() raises; UNREACHABLE and the like where the
    database can't be told; WRITERS_STAY; REFUSED where another rollback is under way; DIFFERENT if
    what stands there afterwards is not what was to. OSError for what can't be written.
    """
    if request.dry_run:
        return _look(request, tell)
    if request.archive:
        check_archive(request.archive, tell)
    stopped = _stop_writing(request, tell)
    request.data.mkdir(parents=True, exist_ok=True)
    with _alone(request.data) as stage:
        losses = _fill(request, stage, tell)
        found = _place(request, list_files(stage, tell), stage, tell)
    return RolledBack(stopped=stopped, losses=losses, **found)


def _look(request: RollbackRequest, tell: Tell) -> RolledBack:
    """Say what would be done."""
    wanted, losses = [], []
    if request.archive:
        wanted = check_archive(request.archive, tell).manifest.files
    elif request.server:
        losses = _losses(request.server, request.account)
    here = {file.name: file for file in _there(request.data, tell)}
    files = [_planned(file, here.get(file.name)) for file in wanted]
    names = {file.name for file in files}
    if request.archive:
        files += [
            FileRolledBack(name, "put aside") for name in _OURS if name in here.keys() - names
        ]
    else:
        files += [FileRolledBack(name, "restored") for name in FILES.values()]
        names |= set(_OURS)
    return RolledBack(
        str(request.data),
        str(request.archive) if request.archive else None,
        dry_run=True,
        stopped=False,
        aside=None,
        files=files,
        others=_others(here, names),
        losses=losses,
    )


def _there(folder: Path, tell: Tell) -> list[DataFile]:
    return list_files(folder, tell) if folder.is_dir() else []


def _planned(wanted: DataFile, here: DataFile | None) -> FileRolledBack:
    fate: Fate = "unchanged" if here == wanted else "restored"
    return FileRolledBack(wanted.name, fate, wanted.size_bytes, wanted.sha256)


def _stop_writing(request: RollbackRequest, tell: Tell) -> bool:
    """Stop writing into the database. False: it knows nothing of sessionbase, or is not asked."""
    if request.server is None:
        return False
    with connect(request.server, "rollback") as connection:
        ((knows,),) = connection.execute(
            "select to_regclass('app.maintenance') is not null"
        ).fetchall()
    if knows:
        begin_maintenance(request.server, _REASON, wait_s=request.wait_s, tell=tell)
    return bool(knows)


@contextmanager
def _alone(data: Path) -> Iterator[Path]:
    """Hold the data folder for one at a time; give a new folder in it for what is to come."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    stage = data / _STAGE
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SessionbaseError(
                ExitCode.REFUSED, f"another rollback into {data} is under way"
            ) from None
        # What one that was killed left: nothing of it is anywhere else.
        shutil.rmtree(stage, ignore_errors=True)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(descriptor)


def _fill(request: RollbackRequest, stage: Path, tell: Tell) -> list[Loss]:
    """Write all that is to come, and return what it can't hold."""
    if request.archive:
        unpack_archive(request.archive, stage, tell)
        return []
    if request.server is None:
        raise SessionbaseError(
            ExitCode.REFUSED, "without the database only an archive can be restored"
        )
    export_folder(request.server, ExportRequest(stage, request.account), tell)
    return _losses(request.server, request.account)


def _losses(server: Server, account: str | None) -> list[Loss]:
    with reading(server, "rollback", account) as (connection, account_id):
        connection.execute("reset role")
        return count_losses(connection, account_id)


def _place(
    request: RollbackRequest, wanted: list[DataFile], stage: Path, tell: Tell
) -> dict[str, Any]:
    """Move what was written to where it belongs, and what stands there aside."""
    data = request.data
    here = {file.name: file for file in list_files(data, tell, leave_out=_STAGE)}
    aside = _Aside(data)
    files = []
    for file in wanted:
        # What comes from the database has times of its own: there the bytes decide.
        is_same = _is_same(file, here.get(file.name), by_bytes=request.archive is None)
        if not is_same:
            tell(f"putting {file.name} in place")
            if request.archive is None:
                _give_as_before(stage / file.name, data / file.name)
            aside.keep(file.name)
            _move(stage / file.name, data / file.name)
        fate: Fate = "unchanged" if is_same else "restored"
        files.append(FileRolledBack(file.name, fate, file.size_bytes, file.sha256))
    names = {file.name for file in wanted}
    for name in _OURS:
        if name not in names and os.path.lexists(data / name):
            aside.take_away(name)
            files.append(FileRolledBack(name, "put aside"))
    sync_folder(data)
    _compare(data, wanted, by_bytes=request.archive is None, tell=tell)
    return {
        "folder": str(data),
        "archive": str(request.archive) if request.archive else None,
        "dry_run": False,
        "aside": str(aside.folder) if aside.folder else None,
        "files": files,
        "others": _others(here, names),
    }


def _give_as_before(new: Path, place: Path) -> None:
    """Give a new file to whoever had the one in its place, or else has the folder."""
    before = place.lstat() if os.path.lexists(place) else None
    if before and stat.S_ISREG(before.st_mode):
        new.chmod(stat.S_IMODE(before.st_mode))
    if os.geteuid() == 0:
        owner = before or place.parent.stat()
        os.chown(new, owner.st_uid, owner.st_gid)


def _is_same(wanted: DataFile, here: DataFile | None, *, by_bytes: bool) -> bool:
    if here is None or by_bytes:
        return here is not None and here.sha256 == wanted.sha256
    if os.geteuid() == 0:
        return here == wanted
    # Who is not root can't give files away.
    return (here.sha256, here.mtime_ns, here.mode) == (wanted.sha256, wanted.mtime_ns, wanted.mode)


def _others(here: Mapping[str, DataFile], names: set[str]) -> list[str]:
    """Return what is neither of the archive nor of the viewer, nor kept of an earlier rollback."""
    return sorted(name for name in here.keys() - names - set(_OURS) if not name.startswith(_ASIDE))


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    sync_folder(target.parent)


def _compare(data: Path, wanted: list[DataFile], *, by_bytes: bool, tell: Tell) -> None:
    for file in wanted:
        if not _is_same(file, sum_up(data, file.name, tell), by_bytes=by_bytes):
            raise SessionbaseError(
                ExitCode.DIFFERENT,
                f"{data / file.name} is not what was put there",
                hint="Is the old viewer running? End it, and run the same again.",
            )


class _Aside:
    """The dated folder for what stood in the data folder; made when there is something for it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.folder: Path | None = None

    def keep(self, name: str) -> None:
        """Keep what stands there, which goes on standing there until something is in its place."""
        path = self._data / name
        if not os.path.lexists(path):
            return
        if not stat.S_ISREG(path.lstat().st_mode):
            self.take_away(name)
            return
        kept = self._place_for(name)
        os.link(path, kept)
        sync_folder(kept.parent)

    def take_away(self, name: str) -> None:
        """Keep what stands there, and nothing in its place."""
        kept = self._place_for(name)
        (self._data / name).rename(kept)
        sync_folder(kept.parent)

    def _place_for(self, name: str) -> Path:
        if self.folder is None:
            stem = f"{_ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
            names = chain([stem], map(f"{stem}-{{}}".format, count(2)))
            self.folder = next(
                path for path in map(self._data.joinpath, names) if not os.path.lexists(path)
            )
            self.folder.mkdir(mode=0o700)
            sync_folder(self._data)
        kept = self.folder / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        return kept
