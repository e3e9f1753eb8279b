"""Whether there is room: in the folder of the cutover, and where the database is."""

import shutil
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import InsufficientPrivilege

from harness.connections import Connection, Server
from harness.cutover.finding import Findings

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_SPARE_BYTES = 256 << 20
"""What is left free beside what is needed: for the log of the server, and the journal."""


def check_folder(folder: Path, size_bytes: int, found: Findings) -> None:
    """Look whether archive and sample have room. size_bytes: of the files."""
    # The archive may be as large as the files, and the sample is a part of them.
    _compare(found, "room for the archive", folder, 2 * size_bytes)


def check_database(
    connection: Connection, server: Server, needed_bytes: int, found: Findings
) -> None:
    """Look whether the rows have room, where the server's disk can be seen from here."""
    folder = _data_directory(connection, server)
    if folder:
        _compare(found, "room for the database", folder, needed_bytes)
        return
    row = connection.execute("select pg_database_size(current_database())").fetchone()
    found.note(
        "room for the database",
        f"can't be seen from here: about {_mib(needed_bytes + _SPARE_BYTES)} will be needed beside "
        f"the {_mib(int(row[0]) if row else 0)} that the database has; see that the disk has them",
    )


def _compare(found: Findings, what: str, folder: Path, needed: int) -> None:
    free, needed = shutil.disk_usage(folder).free, needed + _SPARE_BYTES
    found.add(
        what,
        f"{_mib(free)} free where {folder} is, {_mib(needed)} needed at most",
        "Make room there, or choose another disk (--out)." if free < needed else "",
    )


def _data_directory(connection: Connection, server: Server) -> Path | None:
    """Return where the server keeps its data, if that is on this machine and may be known."""
    host = conninfo_to_dict(server.conninfo).get("host") or "localhost"
    if str(host) not in _LOCAL and not str(host).startswith("/"):
        return None
    try:
        row = connection.execute("select current_setting('data_directory')").fetchone()
    except InsufficientPrivilege:
        return None
    folder = Path(row[0]) if row else None
    try:
        return folder if folder and folder.is_dir() else None
    except PermissionError:
        return None


def _mib(size: int) -> str:
    return f"{size >> 20:,} MiB"
