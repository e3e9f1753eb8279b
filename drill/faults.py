"""What is broken: how, and how it is seen that it was. Each fault has ended when it returns.

A fault that can't be seen to have happened raises SessionbaseError (FAILED): then nothing that is
checked afterwards would say anything.
"""

import email.utils
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import get_args

import httpx
import psutil

from drill.importing import EXPECTED, Importer
from drill.programs import Program, is_gone, wait_for
from drill.relays import Cut, Relay
from drill.stage import Stage
from harness.errors import ExitCode, SessionbaseError

Inject = Callable[["Scene"], str]
"""Breaks something, and returns how that was seen."""

_SEEN_S = 20
_IMPORT_S = 60
_IMPORTS = "select pid from pg_stat_activity where application_name = 'sessionbase import'"
_HOUR_S = 3600
_NEARLY_S = 60
_WITHIN_LEEWAY_S = 20


@dataclass
class Scene:
    """Where faults are injected, and the dice that say how exactly."""

    stage: Stage
    importer: Importer
    dice: Random


@dataclass(frozen=True)
class Fault:
    """Something to break. name: what; target: of what."""

    name: str
    target: str
    inject: Inject


@dataclass(frozen=True)
class Injected:
    """A fault that was injected. at: seconds since the drill began. seen: how it was seen."""

    at: float
    name: str
    target: str
    seen: str
    lasted: float


def all_faults(stage: Stage) -> tuple[list[Fault], dict[str, str]]:
    """Return what can be injected here, and what can't, with the reason."""
    faults = [
        Fault("postgres_kill", "postmaster", _kill_postgres),
        Fault("postgres_kill", "postmaster, during an import", _kill_postgres_importing),
        Fault("postgres_stop", "immediate shutdown", _stop_postgres),
        Fault("backend_kill", "a backend of Postgres", _kill_backend),
        Fault("stand_in_kill", "stand-in", lambda scene: _kill(scene, scene.stage.stand_in)),
        Fault("gatekeeper_kill", "gatekeeper", lambda scene: _kill(scene, scene.stage.gatekeeper)),
        Fault("gatekeeper_term", "gatekeeper", _terminate_gatekeeper),
        Fault("import_kill", "invoke import-legacy", _kill_import),
        Fault("disk_full", "Postgres' disk", _fill_disk),
        Fault("two_operators", "import and migrate", _two_operators),
    ]
    for number, relay in enumerate(stage.ways.all()):
        faults += [Fault(how, relay.name, _breaking(number, how)) for how in get_args(Cut)]
        faults.append(Fault("stall", relay.name, _stalling(number)))
        faults.append(Fault("refuse", relay.name, _refusing(number)))
    for name in ("gatekeeper", "stand-in"):
        faults += [
            Fault("clock_step", f"{name} by {seconds:+} s", _stepping(name, seconds))
            for seconds in (_HOUR_S, -_HOUR_S, _WITHIN_LEEWAY_S, -_WITHIN_LEEWAY_S)
        ]
    possible = [fault for fault in faults if fault.name not in stage.why_not]
    return possible, dict(stage.why_not)


def _kill_postgres(scene: Scene) -> str:
    """Kill the postmaster and every child, as the loss of power would; nothing is flushed."""
    stage = scene.stage
    importing = _is_importing(stage)
    postmaster = stage.postmaster()
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        _send(process, signal.SIGKILL)
    wait_for("Postgres is gone", lambda: all(is_gone(process.pid) for process in family), _SEEN_S)
    stage.mend()
    return _recovered(scene, postmaster.pid, len(family), during_import=importing)


def _kill_postgres_importing(scene: Scene) -> str:
    """Kill it while an import is connected."""
    wait_for("an import is at work", lambda: _is_importing(scene.stage), _IMPORT_S)
    return _kill_postgres(scene)


def _is_importing(stage: Stage) -> bool:
    with stage.looking() as connection:
        return bool(connection.execute(_IMPORTS).fetchall())


def _stop_postgres(scene: Scene) -> str:
    """Let it end without a checkpoint, as a service manager in a hurry does."""
    importing = _is_importing(scene.stage)
    postmaster = scene.stage.postmaster()
    _send(postmaster, signal.SIGQUIT)
    wait_for("Postgres is gone", lambda: is_gone(postmaster.pid), _SEEN_S)
    scene.stage.mend()
    return _recovered(scene, postmaster.pid, 1, during_import=importing)


def _recovered(scene: Scene, old: int, killed: int, *, during_import: bool) -> str:
    new = scene.stage.postmaster().pid
    if new == old:
        raise SessionbaseError(ExitCode.FAILED, "the postmaster was not killed")
    said = scene.stage.postgres_log().count("automatic recovery in progress")
    said += scene.stage.postgres_log().count("was not properly shut down")
    if not said:
        raise SessionbaseError(ExitCode.FAILED, "Postgres' log says nothing of a recovery")
    at_work = ", an import at work" if during_import else ""
    return f"pid {old} gone with {killed} processes{at_work}; {new} recovered"


def _kill_backend(scene: Scene) -> str:
    """Kill one backend: Postgres ends all others and recovers by itself."""
    stage = scene.stage
    with stage.looking() as connection:
        pids = [
            pid
            for (pid,) in connection.execute(
                "select pid from pg_stat_activity "
                "where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid"
            )
        ]
    if not pids:
        raise SessionbaseError(ExitCode.FAILED, "there was no backend to kill")
    victim = psutil.Process(scene.dice.choice(pids))
    _send(victim, signal.SIGKILL)
    wait_for("the backend is gone", lambda: is_gone(victim.pid), _SEEN_S)
    said = f"(PID {victim.pid}) was terminated by signal 9"
    wait_for("Postgres' log says so", lambda: said in stage.postgres_log(), _SEEN_S)
    stage.mend()
    return f"backend {victim.pid} gone; Postgres began anew"


def _kill(scene: Scene, program: Program) -> str:
    starts = program.starts
    pid = program.send(signal.SIGKILL)
    if not is_gone(pid):
        raise SessionbaseError(ExitCode.FAILED, f"{program.name} was not killed")
    time.sleep(scene.dice.uniform(0, 1.5))
    scene.stage.mend()
    if program.starts == starts:
        raise SessionbaseError(ExitCode.FAILED, f"{program.name} was not started again")
    return f"pid {pid} gone; {program.pid} serves"


def _terminate_gatekeeper(scene: Scene) -> str:
    program = scene.stage.gatekeeper
    pid = program.send(signal.SIGTERM)
    code = program.wait(_SEEN_S)
    if code != ExitCode.OK:
        raise SessionbaseError(ExitCode.FAILED, f"told to end, the gatekeeper ended with {code}")
    scene.stage.mend()
    return f"pid {pid} ended with 0; {program.pid} serves"


def _kill_import(scene: Scene) -> str:
    pid = _import_at_work(scene).pid
    if pid is None:
        raise SessionbaseError(ExitCode.FAILED, "no import was caught at work")
    _send(psutil.Process(pid), signal.SIGKILL)
    wait_for("the import is gone", lambda: is_gone(pid), _SEEN_S)
    return f"pid {pid} gone"


def _import_at_work(scene: Scene) -> Program:
    """Wait until an import is connected, and return it."""

    def running() -> bool:
        program = scene.importer.running
        return program is not None and program.pid is not None and _is_importing(scene.stage)

    wait_for("an import is at work", running, _IMPORT_S)
    program = scene.importer.running
    if program is None:
        raise SessionbaseError(ExitCode.FAILED, "the import ended just now")
    return program


def _fill_disk(scene: Scene) -> str:
    """Leave no room where Postgres keeps everything, until it has met that; then free it."""
    stage, disk = scene.stage, scene.stage.disk
    if disk is None:
        raise SessionbaseError(ExitCode.FAILED, "there is no small disk")
    before = _met_full_disk(stage)
    filled = disk.fill()
    wait_for("Postgres meets the full disk", lambda: _met_full_disk(stage) > before, 60)
    time.sleep(scene.dice.uniform(0.5, 2))
    met = _met_full_disk(stage) - before
    disk.free()
    stage.mend()
    return f"filled with {filled:,} bytes; Postgres' log has {met} x no space left on device"


def _met_full_disk(stage: Stage) -> int:
    return stage.postgres_log().count("No space left on device")


def _two_operators(scene: Scene) -> str:
    """Import into the account that an import is at work on, and apply everything again."""
    _import_at_work(scene)
    importer = scene.importer
    second = importer.command(importer.account, f"second-import-{importer.seconds}")
    # It needs tables that the others use all the time: it may give up, and soon.
    migrate = importer.program(
        ["migrate", "--reapply"],
        f"migrate-{importer.seconds}",
        SESSIONBASE_LOCK_TIMEOUT_MS="500",
        SESSIONBASE_LOCK_TRIES="3",
    )
    importer.seconds += 1
    second.start()
    migrate.start()
    codes = [program.wait(120) for program in (second, migrate)]
    wrong = [code for code in codes if code not in EXPECTED]
    if wrong:
        raise SessionbaseError(ExitCode.FAILED, f"a second operator's command ended with {wrong}")
    return f"the second import ended with {codes[0]}, migrate with {codes[1]}"


def _breaking(number: int, how: Cut) -> Inject:
    def inject(scene: Scene) -> str:
        relay = scene.stage.ways.all()[number]
        _wait_for_connections(relay)
        count = relay.break_off(how)
        if not count:
            raise SessionbaseError(ExitCode.FAILED, f"{relay.name}: there was nothing to break")
        time.sleep(scene.dice.uniform(0.2, 1.5))
        relay.restore()
        scene.stage.mend()
        return f"{count} connections"

    return inject


def _stalling(number: int) -> Inject:
    def inject(scene: Scene) -> str:
        relay = scene.stage.ways.all()[number]
        _wait_for_connections(relay)
        before = relay.held
        count = relay.stall()
        time.sleep(scene.dice.uniform(1, 4))
        held = relay.held - before
        relay.restore()
        scene.stage.mend()
        return f"{count} connections stood still; {held} bytes had to wait"

    return inject


def _refusing(number: int) -> Inject:
    def inject(scene: Scene) -> str:
        relay = scene.stage.ways.all()[number]
        before = relay.refused
        relay.refuse()
        relay.break_off("reset")
        wait_for("somebody is turned away", lambda: relay.refused > before, 60)
        time.sleep(scene.dice.uniform(0.2, 2))
        relay.restore()
        scene.stage.mend()
        return f"{relay.refused - before} connections turned away"

    return inject


def _wait_for_connections(relay: Relay) -> None:
    wait_for(f"{relay.name} is used", lambda: relay.connections > 0, _SEEN_S)


def _stepping(name: str, seconds: int) -> Inject:
    def inject(scene: Scene) -> str:
        stage = scene.stage
        url = (
            stage.direct_url + "/health"
            if name == "gatekeeper"
            else (stage.stand_in_url + "/v1/health")
        )
        stage.clocks[name].step(seconds)
        # A server writes its clock into every answer, read once a second.
        least = abs(seconds) - _NEARLY_S if abs(seconds) > _NEARLY_S else abs(seconds) // 2
        wait_for(f"{name} has another time", lambda: abs(clock_of(url)) >= least, _SEEN_S)
        off = clock_of(url)
        time.sleep(scene.dice.uniform(1, 4))
        stage.clocks[name].step(0)
        wait_for(f"{name} has the right time", lambda: abs(clock_of(url)) < least, _SEEN_S)
        stage.mend()
        return f"its answers were dated {off:+.0f} s"

    return inject


def clock_of(url: str) -> float:
    """Return how far a server's clock is off ours, in seconds, by the date of an answer."""
    answer = httpx.get(url, timeout=10, trust_env=False)
    said = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
    return said - time.time()


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        # It ended by itself meanwhile.
        return
