"""Starts, finds and stops an embedded Postgres. One folder is one server.

The folder holds data/ (the cluster), password, port and log. Commands that run at once take
turns at a file lock beside it, so the second finds the server the first has started.
"""

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from filelock import FileLock, Timeout
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from harness.connections import Server, first_line
from harness.embedded.binaries import Binaries, find_binaries, home_of, make_folder
from harness.errors import ExitCode, SessionbaseError
from harness.ports import bindable
from harness.settings import Settings

DATABASE = "sessionbase"
_SUPERUSER = "postgres"
_START_TRIES = 3
_START_SECONDS = 60
_ORPHAN_SECONDS = 15
_ANSWER_SECONDS = 30
_LOCK_SECONDS = 120
_FIRST_BUILTIN_LOCALE = 17

_CONFIGURATION = """
# sessionbase: loopback only, with a password, ready for logical replication
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_wal_size = '2GB'
timezone = 'UTC'
log_timezone = 'UTC'
"""

# For servers that live as long as a test run: nothing in them is worth a disk flush.
_THROWAWAY_CONFIGURATION = """
fsync = off
synchronous_commit = off
full_page_writes = off
"""


@dataclass(frozen=True)
class Status:
    """What is known of an embedded server. pid and port are None when it does not run."""

    running: bool
    folder: Path
    pid: int | None
    port: int | None


class EmbeddedPostgres:
    """The server that lives in a folder."""

    def __init__(self, folder: Path, binaries: Binaries, *, throwaway: bool = False) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._binaries = binaries
        self._throwaway = throwaway

    def ensure_running(self) -> Server:
        """Start the server if it does not run, make its database if there is none.

        Raises SessionbaseError (SERVER_WONT_START).
        """
        with self._locked():
            if not self._data.exists():
                self._initialize()
            # A server that is being killed or still recovers turns connections away for a while.
            retrying = Retrying(
                retry=retry_if_exception_type(psycopg.OperationalError),
                wait=wait_fixed(0.1),
                stop=stop_after_delay(_ANSWER_SECONDS),
            )
            try:
                return retrying(self._answering_server)
            except RetryError as error:
                raise SessionbaseError(
                    ExitCode.SERVER_WONT_START,
                    f"Postgres runs in {self._folder} but does not answer: "
                    f"{first_line(error.last_attempt.exception())}",
                    hint=f"Read {self._folder / 'log'}, or try invoke pg-stop.",
                ) from None

    def stop(self) -> bool:
        """Stop the server, open connections or not. False if it did not run."""
        with self._locked():
            if self._postmaster() is None:
                return False
            said = self._pg_ctl("stop", "-m", "fast")
            if self._postmaster() is not None:
                raise SessionbaseError(
                    ExitCode.SERVER_WONT_START,
                    f"Postgres in {self._folder} does not stop: {said}",
                    hint=f"Read {self._folder / 'log'}.",
                )
            return True

    def status(self) -> Status:
        """Say whether the server runs, and where."""
        process = self._postmaster()
        if process is None:
            return Status(running=False, folder=self._folder, pid=None, port=None)
        return Status(running=True, folder=self._folder, pid=process.pid, port=self._port())

    def remove(self) -> None:
        """Stop the server and delete its folder, data and all."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock_file().unlink(missing_ok=True)

    def _lock_file(self) -> Path:
        return self._folder.with_name(self._folder.name + ".lock")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            make_folder(self._folder.parent)
            with FileLock(self._lock_file(), timeout=_LOCK_SECONDS):
                yield
        except PermissionError as error:
            raise _not_ours(error.filename or self._folder) from None
        except Timeout:
            raise SessionbaseError(
                ExitCode.SERVER_WONT_START,
                f"another command has held {self._lock_file()} for {_LOCK_SECONDS} s",
                hint="Wait for it, or end it.",
            ) from None

    def _initialize(self) -> None:
        """Make the cluster beside its place and move it there, so that it is whole or absent."""
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._binaries.give(self._folder)
        password = self._folder / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        self._binaries.give(password)

        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        result = self._binaries.run(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={_SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            *self._locale_options(),
        )
        if result.returncode != 0:
            raise SessionbaseError(
                ExitCode.SERVER_WONT_START,
                f"initdb failed: {result.stderr.strip()}",
                hint="Set SESSIONBASE_POSTGRES_BIN to another Postgres, or DATABASE_URL.",
            )
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION)
            if self._throwaway:
                configuration.write(_THROWAWAY_CONFIGURATION)
        unfinished.rename(self._data)

    def _locale_options(self) -> list[str]:
        """Sort by code point and know Unicode's letters, on every version the same."""
        if self._binaries.major() >= _FIRST_BUILTIN_LOCALE:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return ["--locale=C.UTF-8"]

    def _answering_server(self) -> Server:
        """Start the server if it does not run, and speak to it."""
        if self._postmaster() is None:
            self._start()
        server = self._server()
        _ensure_database(server)
        return server

    def _start(self) -> None:
        self._clear_dead_server()
        for _ in range(_START_TRIES):
            # A port that was free can be taken by the time Postgres asks for it.
            port = self._free_port()
            (self._folder / "port").write_text(str(port))
            said = self._pg_ctl(
                "start",
                "-t",
                str(_START_SECONDS),
                "-l",
                str(self._folder / "log"),
                "-o",
                f"-p {port}",
            )
            if self._postmaster() is not None:
                return
        raise SessionbaseError(
            ExitCode.SERVER_WONT_START,
            f"Postgres does not start in {self._folder}: {said}; "
            f"its log says last: {self._log_end()}",
            hint=f"Read {self._folder / 'log'}. If the data is not worth keeping: invoke reset.",
        )

    def _pg_ctl(self, command: str, *options: str) -> str:
        """Run pg_ctl and return what it said last. Whether it worked, the process tells."""
        result = self._binaries.run("pg_ctl", command, f"--pgdata={self._data}", "--wait", *options)
        lines = (result.stderr or result.stdout).strip().splitlines()
        return lines[-1] if lines else f"pg_ctl exited with {result.returncode}"

    def _clear_dead_server(self) -> None:
        """Remove the lock file of a server that was killed, once none of its processes is left.

        Postgres does so itself when the process is gone, but not when its number belongs to
        another program by now, or to a zombie. Removing it with a process still at work on the
        data would let two servers write it, so those are waited for: they end by themselves.
        """
        pid_file = self._data / "postmaster.pid"
        pid = self._recorded_pid()
        if pid is None or not psutil.pid_exists(pid):
            return
        give_up = time.monotonic() + _ORPHAN_SECONDS
        while orphans := [p.pid for p in psutil.process_iter() if self._is_ours(p)]:
            if time.monotonic() > give_up:
                raise SessionbaseError(
                    ExitCode.SERVER_WONT_START,
                    f"processes {orphans} of a killed server still work in {self._data}",
                    hint="End them, then try again.",
                )
            time.sleep(0.1)
        pid_file.unlink()

    def _recorded_pid(self) -> int | None:
        """Return the process number in the server's lock file."""
        try:
            text = (self._data / "postmaster.pid").read_text()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise _not_ours(error.filename) from None
        number = text.split("\n", 1)[0]
        return int(number) if number.isdecimal() else None

    def _postmaster(self) -> psutil.Process | None:
        """Return the server's process: alive, no zombie, and at work in our folder."""
        pid = self._recorded_pid()
        try:
            process = psutil.Process(pid) if pid else None
        except psutil.NoSuchProcess:
            return None
        return process if process and self._is_ours(process) else None

    def _is_ours(self, process: psutil.Process) -> bool:
        """Whether a process is a Postgres of this folder: all of them work in the data folder.

        Root in a container may not see where another account's process works. The command line
        it may see, and the postmaster's names the folder.
        """
        folder = str(self._data.resolve())
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            try:
                return process.cwd() == folder
            except psutil.AccessDenied:
                return process.name() == "postgres" and folder in process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _port(self) -> int:
        return int((self._folder / "port").read_text())

    def _free_port(self) -> int:
        """Return the port of last time if it is free, else any."""
        port_file = self._folder / "port"
        wanted = [self._port()] if port_file.exists() else []
        for port in [*wanted, 0]:
            if (found := bindable(port)) is not None:
                return found
        raise SessionbaseError(ExitCode.SERVER_WONT_START, "there is no free port on 127.0.0.1")

    def _server(self) -> Server:
        conninfo = make_conninfo(
            host="127.0.0.1",
            port=self._port(),
            user=_SUPERUSER,
            password=(self._folder / "password").read_text(),
            dbname=DATABASE,
            connect_timeout=10,
        )
        return Server(conninfo, embedded=True)

    def _log_end(self) -> str:
        try:
            lines = (self._folder / "log").read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return "nothing"
        return lines[-1] if lines else "nothing"


def project_postgres(settings: Settings) -> EmbeddedPostgres:
    """Return the project's own server, running or not."""
    return EmbeddedPostgres(home_of(settings) / "postgres", find_binaries(settings))


def _not_ours(path: object) -> SessionbaseError:
    return SessionbaseError(
        ExitCode.SERVER_WONT_START,
        f"no permission for {path}",
        hint="It may have been made by another account. Run as that account, or give another "
        "folder in SESSIONBASE_HOME.",
    )


def _ensure_database(server: Server) -> None:
    with psycopg.connect(server.with_database("postgres").conninfo, autocommit=True) as connection:
        row = connection.execute(
            "select exists (select from pg_database where datname = %s)", [DATABASE]
        ).fetchone()
        if row and not row[0]:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
