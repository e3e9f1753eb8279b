"""What is drilled: Postgres, the stand-in, the gatekeeper, and relays on every way between them."""

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
import jwt
import psutil
import psycopg
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from drill.clocks import Clock
from drill.disks import SmallDisk
from drill.guardian import guarded
from drill.programs import Program, wait_for
from drill.relays import Relay
from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.embedded.binaries import Binaries, find_binaries
from harness.embedded.postgres import EmbeddedPostgres
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.passwords import set_passwords
from harness.ports import free_port
from harness.settings import Settings
from harness.testing.faketime import find_faketime

ISSUER = "https://issuer.example"
AUDIENCE = "https://chat.example"
SESSIONS = ("session-one", "session-two")
IMPORTS = 40
"""How many accounts there are to import into, one after another."""

_READY_S = 90
_TOKEN_S = 300
_CAST = """
    insert into app.accounts (id, name)
    values (%(owner)s, 'drill owner'), (%(viewer)s, 'drill viewer'),
        (%(stranger)s, 'drill stranger');
    insert into auth.identities (issuer, subject, account_id)
    values (%(issuer)s, 'owner', %(owner)s), (%(issuer)s, 'viewer', %(viewer)s),
        (%(issuer)s, 'stranger', %(stranger)s);
    insert into app.sessions (account_id, id)
    select %(owner)s, id from unnest(%(sessions)s::text[]) as id;
    insert into app.session_members (account_id, session_id, member_account_id, role)
    values (%(owner)s, %(shared)s, %(viewer)s, 'viewer');
    insert into app.accounts (name)
    select 'drill import ' || n from generate_series(0, %(imports)s) as n;
"""


@dataclass(frozen=True)
class Cast:
    """Who takes part: an owner, a viewer of the first session, and a stranger to all."""

    owner: UUID
    viewer: UUID
    stranger: UUID


CAST = Cast(*(UUID(f"00000000-0000-4000-8000-0000000000d{n}") for n in range(3)))
"""The same ones in every drill."""


@dataclass
class Ways:
    """The relays, named by who connects and to what."""

    clients: Relay
    writers: Relay
    gatekeeper: Relay
    upstream: Relay
    stream: Relay

    def all(self) -> list[Relay]:
        """Return them all."""
        return [self.clients, self.writers, self.gatekeeper, self.upstream, self.stream]


@dataclass
class Stage:
    """All that runs. why_not: faults that can't be injected here, and why.

    surprises: what no fault explains.
    """

    home: Path
    postgres: EmbeddedPostgres
    server: Server
    ways: Ways
    stand_in: Program
    gatekeeper: Program
    clocks: dict[str, Clock]
    disk: SmallDisk | None
    why_not: dict[str, str]
    cast: Cast = CAST
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    ports: dict[str, int] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where clients reach the gatekeeper."""
        return f"http://127.0.0.1:{self.ways.clients.port}"

    @property
    def direct_url(self) -> str:
        """Where the gatekeeper listens, past the relay."""
        return f"http://127.0.0.1:{self.ports['gatekeeper']}"

    @property
    def stand_in_url(self) -> str:
        """Where the stand-in listens, past the relay."""
        return f"http://127.0.0.1:{self.ports['stand_in']}"

    def written_through(self) -> str:
        """Return how programs connect that write past the gatekeeper; a secret is in it."""
        return make_conninfo(self.server.conninfo, port=self.ways.writers.port)

    def credential(self, who: str) -> str:
        """Sign that somebody is who: owner, viewer or stranger."""
        now = int(time.time())
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": who, "iat": now, "exp": now + _TOKEN_S}
        return jwt.encode(said, self.jwt_secret, algorithm="HS256")

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Give a connection as a superuser, past the relays, who sees every row."""
        with connect(self.server, "drill") as connection:
            connection.execute("set timezone = 'UTC'")
            yield connection

    def postmaster(self) -> psutil.Process:
        """Return Postgres' first process. Raises SessionbaseError (FAILED) if it does not run."""
        pid = self.postgres.status().pid
        if pid is None:
            raise SessionbaseError(ExitCode.FAILED, "Postgres does not run")
        return psutil.Process(pid)

    def postgres_log(self) -> str:
        """Return Postgres' log."""
        return (self.home / "postgres.log").read_text(errors="replace")

    def mend(self) -> None:
        """Put everything right that a fault may have left, and wait until all is ready.

        Raises SessionbaseError (FAILED, SERVER_WONT_START) for what does not come back.
        """
        if self.disk:
            self.disk.free()
        for relay in self.ways.all():
            relay.restore()
        for clock in self.clocks.values():
            clock.step(0)
        self.postgres.ensure_running()
        wait_for("all is ready after a fault", self._is_ready, _READY_S)

    def _is_ready(self) -> bool:
        for program, url in (
            (self.stand_in, f"{self.stand_in_url}/v1/health"),
            (self.gatekeeper, f"{self.direct_url}/ready"),
        ):
            code = program.ended_by_itself()
            if code is not None and program.served:
                self.surprises.append(f"the {program.name} ended by itself, with {code}")
            # As a service manager does: what has ended is started again.
            program.start()
            if not _answers(url):
                time.sleep(0.05)
                return False
            program.served = True
        return True


@contextmanager
def open_stage(settings: Settings, tell: Tell) -> Iterator[Stage]:
    """Start it all in a temporary folder, with accounts in the database; end it afterwards.

    The folder stays: logs are in it. Who ends the drill removes it if nothing is to be looked at.
    """
    home = Path(tempfile.mkdtemp(prefix="sessionbase-drill-"))
    # The account that Postgres runs as must be able to pass.
    home.chmod(0o711)
    with ExitStack() as stack:
        why_not: dict[str, str] = {}
        stack.enter_context(guarded(home))
        disk = _small_disk(home, why_not)
        binaries = find_binaries(settings)
        _log_elsewhere(home, binaries)
        postgres = EmbeddedPostgres(home / "disk/postgres", binaries)
        tell("starting Postgres")
        server = _prepared(postgres, settings)
        ways = _ways(server, stack)
        stage = _assemble(settings, home, postgres, server, ways, disk, why_not, tell)
        stack.callback(stage.stand_in.end)
        stack.callback(stage.gatekeeper.end)
        # Whatever fails: ended is only what answers.
        stack.callback(_let_go, stage)
        tell("starting the stand-in and the gatekeeper")
        stage.mend()
        yield stage


def _small_disk(home: Path, why_not: dict[str, str]) -> SmallDisk | None:
    disk = SmallDisk(home / "disk")
    try:
        disk.mount()
    except SessionbaseError as error:
        why_not["disk_full"] = error.what
        disk.folder.mkdir(mode=0o711, exist_ok=True)
        return None
    return disk


def _prepared(postgres: EmbeddedPostgres, settings: Settings) -> Server:
    """Make the database, migrated, with its accounts, and with passwords that nobody is told."""
    server = postgres.ensure_running()
    with connect(server, "drill") as connection:
        # It is on a small disk.
        connection.execute("alter system set max_wal_size = '128MB'")
        connection.execute("alter system set min_wal_size = '32MB'")
        connection.execute("select pg_reload_conf()")
    Migrator(settings).apply(server)
    return server


def _ways(server: Server, stack: ExitStack) -> Ways:
    port = int(server.environment()["PGPORT"])
    ways = Ways(
        Relay("clients to gatekeeper", 0),
        Relay("writers to Postgres", port),
        Relay("gatekeeper to Postgres", port),
        Relay("gatekeeper to stand-in", 0),
        Relay("stand-in to Postgres", port),
    )
    for relay in ways.all():
        stack.callback(relay.close)
    return ways


def _assemble(  # noqa: PLR0913, PLR0917 - all that a stage is made of
    settings: Settings,
    home: Path,
    postgres: EmbeddedPostgres,
    server: Server,
    ways: Ways,
    disk: SmallDisk | None,
    why_not: dict[str, str],
    tell: Tell,
) -> Stage:
    ports = {"gatekeeper": free_port(), "stand_in": free_port()}
    ways.clients.aim(ports["gatekeeper"])
    ways.upstream.aim(ports["stand_in"])
    clocks = _clocks(settings, home, why_not, tell)
    passwords = {role: secrets.token_hex(24) for role in _LOGINS}
    known = settings.model_copy(
        update={f"{role}_password": SecretStr(word) for role, word in passwords.items()}
    )
    set_passwords(server, known)
    secret, jwt_secret = secrets.token_urlsafe(24), secrets.token_urlsafe(32)

    def login(role: str, relay: Relay) -> str:
        return make_conninfo(server.conninfo, user=role, password=passwords[role], port=relay.port)

    usual = {"SESSIONBASE_HOME": str(home / "unused"), "ELECTRIC_SECRET": secret}
    stand_in = Program(
        "stand-in",
        ["electric", "--port", str(ports["stand_in"])],
        {
            **usual,
            **_clock_of(clocks, "stand-in"),
            "DATABASE_URL": make_conninfo(server.conninfo, port=ways.stream.port),
            "ELECTRIC_DATABASE_URL": login("electric_repl", ways.stream),
            "ELECTRIC_POOLED_DATABASE_URL": login("electric_read", ways.stream),
        },
        home / "stand-in.log",
    )
    gatekeeper = Program(
        "gatekeeper",
        ["gatekeeper", "--port", str(ports["gatekeeper"])],
        {
            **usual,
            **_clock_of(clocks, "gatekeeper"),
            "GATEKEEPER_DATABASE_URL": login("app_server", ways.gatekeeper),
            "ELECTRIC_URL": f"http://127.0.0.1:{ways.upstream.port}",
            "SESSIONBASE_METRICS_PORT": "-1",
            "SESSIONBASE_JWT_ISSUER": ISSUER,
            "SESSIONBASE_JWT_AUDIENCE": AUDIENCE,
            "SESSIONBASE_JWT_ALGORITHMS": "HS256",
            "SESSIONBASE_JWT_SECRET": jwt_secret,
            # Tokens of before a restart are good after it.
            "SESSIONBASE_TOKEN_KEYS": f"drill:{secrets.token_urlsafe(32)}",
            "SESSIONBASE_LOGIN_ROTATE_S": "20",
            "SESSIONBASE_DRAIN_S": "1",
        },
        home / "gatekeeper.log",
    )
    stage = Stage(
        home,
        postgres,
        server,
        ways,
        stand_in,
        gatekeeper,
        clocks,
        disk,
        why_not,
        jwt_secret=jwt_secret,
        ports=ports,
    )
    _make_accounts(stage)
    return stage


_LOGINS = ("app_server", "electric_read", "electric_repl")


def _make_accounts(stage: Stage) -> None:
    cast = stage.cast
    with stage.looking() as connection:
        psycopg.ClientCursor(connection).execute(
            _CAST.encode(),
            {
                "owner": cast.owner,
                "viewer": cast.viewer,
                "stranger": cast.stranger,
                "issuer": ISSUER,
                "sessions": list(SESSIONS),
                "shared": SESSIONS[0],
                "imports": IMPORTS,
            },
        )


def _clocks(
    settings: Settings, home: Path, why_not: dict[str, str], tell: Tell
) -> dict[str, Clock]:
    try:
        library = find_faketime(settings, tell)
    except SessionbaseError as error:
        why_not["clock_step"] = error.what
        return {}
    clocks = {}
    for name in ("gatekeeper", "stand-in"):
        clocks[name] = Clock(library, home / f"{name}.clock")
        clocks[name].step(0)
    return clocks


def _clock_of(clocks: dict[str, Clock], name: str) -> dict[str, str]:
    return clocks[name].environment() if name in clocks else {}


def _log_elsewhere(home: Path, binaries: Binaries) -> None:
    """Let Postgres log beside the small disk: on a full one its log would say nothing of that."""
    log = home / "postgres.log"
    log.touch(mode=0o600)
    binaries.give(log)
    folder = home / "disk/postgres"
    folder.mkdir(mode=0o700)
    (folder / "log").symlink_to(log)


def _let_go(stage: Stage) -> None:
    if stage.disk:
        stage.disk.free()
    for relay in stage.ways.all():
        relay.restore()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
