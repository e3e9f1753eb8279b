"""`invoke up`: starts everything, says where it is, and ends everything."""

import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec
import psutil
from filelock import FileLock, Timeout

from gatekeeper.settings import GatekeeperSettings
from harness.connections import Server, server_of_url
from harness.console import Tell
from harness.demo.people import CLIENT_ID, ISSUER, PEOPLE
from harness.demo.story import tell_story
from harness.embedded.postgres import EmbeddedPostgres, project_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.options import check_port
from harness.ports import HOST, bindable, free_port
from harness.targets import bring_up_to_date
from harness.up.children import Child, Plan, end_children, end_parts, start_child, wait_ready
from harness.up.state import (
    POSTGRES,
    Part,
    State,
    folder_of,
    part_of_process,
    read_state,
    remove_state,
    write_state,
)
from harness.up.viewer import built_viewer

USUAL_PORT = 3100

Show = Callable[[State], None]
"""Something that is shown what is up."""

_LOOK_S = 0.5
_STAND_IN = (
    "Electric is the stand-in, for development and tests only; ELECTRIC_URL names a real one."
)


@dataclass(frozen=True)
class UpOrder:
    """What is asked for.

    port: None takes the usual one, or any if that is taken; 0 takes any. sample: write the demo's
    people and what they have, and let them sign in. demo: let them go on talking.
    """

    port: int | None = None
    sample: bool = True
    demo: bool = False

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) for what does not go together."""
        if self.demo and not self.sample:
            raise SessionbaseError(
                ExitCode.REFUSED, "--demo lets the sample's people talk, and --no-sample has none"
            )
        if self.port is not None:
            check_port(self.port)


@dataclass
class _Up:
    """What is up so far, in the order in which it was started."""

    settings: GatekeeperSettings
    order: UpOrder
    folder: Path
    state: State
    children: list[Child] = field(default_factory=list)
    postgres: EmbeddedPostgres | None = None

    def note(self, **changes: object) -> None:
        """Note what has changed."""
        self.state = msgspec.structs.replace(self.state, **changes)
        write_state(self.folder, self.state)

    def start(self, plan: Plan, environment: dict[str, str]) -> Child:
        """Start a process."""
        child = start_child(plan, environment, self.folder)
        self.children.append(child)
        self.note(parts=[*self.state.parts, child.part()])
        return child


class _AskedToEndError(BaseException):
    """Ctrl-C, SIGTERM, or `invoke down`."""


def run_up(settings: GatekeeperSettings, order: UpOrder, tell: Tell, show: Show) -> None:
    """Start everything, show it once it answers, and stay until asked to end.

    Where another `invoke up` runs, show what is up and be done.
    Raises SessionbaseError: REFUSED in production or for a port that is taken, FAILED if something
    ended by itself; what each part raises. Whatever was started has been ended then.
    KeyboardInterrupt if asked to end before all was up.
    """
    order.check()
    _refuse_production(settings)
    folder = folder_of(settings)
    try:
        with FileLock(folder / "lock", timeout=0), _ended_by_signals():
            _run(_Up(settings, order, folder, _new_state()), tell, show)
    except Timeout:
        show(_running(folder))
    except _AskedToEndError:
        raise KeyboardInterrupt from None


def _run(up: _Up, tell: Tell, show: Show) -> None:
    try:
        _start(up, tell)
        show(up.state)
        _stay(up)
    except _AskedToEndError:
        if up.state.seconds is None:
            raise
    finally:
        _end(up)


def _running(folder: Path) -> State:
    state = read_state(folder)
    if state is None or state.seconds is None:
        raise SessionbaseError(
            ExitCode.REFUSED,
            "another invoke up is starting or ending",
            hint="`invoke status` says how far it is.",
        )
    return state


def _refuse_production(settings: GatekeeperSettings) -> None:
    if settings.env == "production":
        raise SessionbaseError(
            ExitCode.REFUSED,
            "invoke up is for development, and SESSIONBASE_ENV is production",
            hint="docs/deploy.md has what to run there.",
        )


def _new_state() -> State:
    me = part_of_process("up", "invoke up", psutil.Process().pid)
    return State(up=me, since=datetime.now(UTC))


def _start(up: _Up, tell: Tell) -> None:
    """Start all parts, each once what it needs is there."""
    _end_leftovers(up)
    port = _port(up.order)
    viewer = up.settings.viewer_dir or built_viewer(up.settings, tell)
    server = _postgres(up, tell)
    bring_up_to_date(server, up.settings, may_migrate=True)
    if up.order.sample:
        tell_story(server, tell)
    tell("starting Electric and the gatekeeper")
    database = {"DATABASE_URL": server.conninfo}
    address = f"http://{HOST}:{port}"
    electric = _electric(up, database)
    sign_in = _provider(up, port) if up.order.sample else {}
    served = {
        "SESSIONBASE_VIEWER_DIR": str(viewer),
        "SESSIONBASE_GATEKEEPER_HOST": HOST,
        "SESSIONBASE_GATEKEEPER_PORT": str(port),
        "SESSIONBASE_GATEKEEPER_PROCESSES": "1",
        "SESSIONBASE_METRICS_PORT": "-1",
        # It is reached by two names, and gives each page the address that it came by.
        "SESSIONBASE_PUBLIC_ORIGIN": "",
        "SESSIONBASE_DRAIN_S": "0",
        "SESSIONBASE_DRAIN_LEAD_S": "0",
    }
    gatekeeper = Plan("gatekeeper", "the gatekeeper and the page", [], address, f"{address}/ready")
    wait_ready(up.start(gatekeeper, database | electric | sign_in | served))
    if up.order.demo:
        up.start(Plan("talk", "people of the demo who talk", []), database)
    up.note(address=address, seconds=round(time.time() - (up.state.up.created or 0), 2))


def _end_leftovers(up: _Up) -> None:
    """End what is left of one that was killed. Its Postgres is ours then."""
    left = read_state(up.folder)
    if left:
        end_parts(left)
    up.note(owns_postgres=bool(left and left.owns_postgres))


def _postgres(up: _Up, tell: Tell) -> Server:
    """Start the embedded Postgres if it does not run, or take the one of DATABASE_URL."""
    if up.settings.database_url:
        server = server_of_url(up.settings.database_url.get_secret_value())
        up.note(parts=[Part(POSTGRES, "the Postgres of DATABASE_URL", address=server.label)])
        return server
    tell("starting the embedded Postgres")
    embedded = project_postgres(up.settings)
    # Whoever had started it wants it to go on.
    up.note(owns_postgres=up.state.owns_postgres or not embedded.status().running)
    up.postgres = embedded
    server = embedded.ensure_running()
    status = embedded.status()
    if status.pid is None:
        raise _postgres_ended(up)
    log = str(status.folder / "log")
    part = part_of_process(
        POSTGRES, "the embedded Postgres", status.pid, address=server.label, log=log
    )
    up.note(parts=[part])
    return server


def _electric(up: _Up, database: dict[str, str]) -> dict[str, str]:
    """Start the stand-in unless there is an Electric; return what the gatekeeper needs of it."""
    known = up.settings
    if known.electric_url:
        part = Part("electric", "the Electric of ELECTRIC_URL")
        up.note(parts=[*up.state.parts, part])
        return {}
    port = free_port()
    address = f"http://{HOST}:{port}"
    ours = {"ELECTRIC_URL": address, "ELECTRIC_SECRET": secrets.token_urlsafe(32)}
    plan = Plan(
        "electric", "the stand-in for Electric", [str(port)], address, f"{address}/v1/health"
    )
    up.start(plan, database | ours)
    up.note(notes=[*up.state.notes, _STAND_IN])
    return ours


def _provider(up: _Up, port: int) -> dict[str, str]:
    """Start the demo's identity provider; return what makes the gatekeeper believe it."""
    own_port = free_port()
    address = f"http://{HOST}:{own_port}"
    jwks = up.folder / "jwks.json"
    jwks.unlink(missing_ok=True)
    back = [f"http://{host}:{port}/" for host in (HOST, "localhost")]
    plan = Plan(
        "provider",
        "the demo's identity provider",
        [str(own_port), str(jwks), *back],
        address,
        f"{address}/jwks.json",
    )
    wait_ready(up.start(plan, {}))
    names = ", ".join(person.name for person in PEOPLE)
    up.note(
        notes=[
            *up.state.notes,
            f"Sign in as one of {names}. For two at once open {back[1]} too, or a private window.",
        ]
    )
    return {
        "SESSIONBASE_JWT_ISSUER": ISSUER,
        "SESSIONBASE_JWT_AUDIENCE": CLIENT_ID,
        "SESSIONBASE_JWT_ALGORITHMS": "EdDSA",
        "SESSIONBASE_JWKS_FILE": str(jwks),
        # Empty is not set, whatever .env says of it.
        "SESSIONBASE_JWKS_URL": "",
        "SESSIONBASE_JWT_SECRET": "",
        "SESSIONBASE_VIEWER_AUTHORIZE_URL": f"{address}/authorize",
    }


def _stay(up: _Up) -> None:
    """Look after all parts until asked to end. Raises SessionbaseError if one ended by itself."""
    while True:
        for child in up.children:
            child.check()
        if up.postgres and not up.postgres.status().running:
            raise _postgres_ended(up)
        time.sleep(_LOOK_S)


def _postgres_ended(up: _Up) -> SessionbaseError:
    log = up.state.parts[0].log if up.state.parts else None
    return SessionbaseError(
        ExitCode.FAILED, "postgres ended by itself", hint=f"Read {log}." if log else ""
    )


def _end(up: _Up) -> None:
    """End what was started, the last first."""
    end_children(up.children[::-1])
    if up.postgres and up.state.owns_postgres:
        up.postgres.stop()
    remove_state(up.folder)


def _port(order: UpOrder) -> int:
    """Return the port to serve on. Raises SessionbaseError (REFUSED) if it is taken."""
    if order.port is None:
        return bindable(USUAL_PORT) or free_port()
    if order.port and not bindable(order.port):
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"port {order.port} of {HOST} is taken",
            hint="Give another one; without --port any that is free is taken.",
        )
    return order.port or free_port()


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a signal end what is done inside, in order."""

    def end(_: int, __: FrameType | None) -> NoReturn:
        # A second one would break off the end, in which each part is given its time.
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise _AskedToEndError

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
