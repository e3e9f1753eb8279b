"""What must hold and does not is found: each check sees the one thing that was made wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from drill import invariants
from drill.disks import SmallDisk
from drill.faults import all_faults
from drill.followers import SHAPES, Follower, Stranger, Wanted
from drill.importing import UNDISTURBED, Importer
from drill.invariants import Check
from drill.ledger import MARK, Ledger, Tool, Write
from drill.programs import Program
from drill.report import show_drill
from drill.run import Actors, DrillOrder, run_drill, usual_actors
from drill.stage import SESSIONS, Stage, open_stage
from drill.writers import DirectWriter
from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from tests.py.waiting import wait_until

SEED = 1


@pytest.fixture(scope="module")
def stage(settings: Settings) -> Iterator[Stage]:
    """Give an installation that nobody breaks."""
    with open_stage(settings, print) as opened:
        yield opened


@pytest.fixture
def looking(stage: Stage) -> Iterator[Connection]:
    """Give a connection as a superuser, to a database without messages and tool events."""
    with stage.looking() as connection:
        for table in ("chat_messages", "chat_tool_events", "chat_threads"):
            connection.execute(f"delete from app.{table} where account_id = '{stage.cast.owner}'")
        yield connection


@pytest.fixture
def ledger(stage: Stage, looking: Connection) -> Ledger:
    """Return a ledger with three writes that were acknowledged, and are there."""
    written = Ledger()
    writer = DirectWriter(stage, written, f"w-{uuid4()}", SEED)
    for _ in range(3):
        writer.once()
    writer.close()
    assert written.acknowledged() == 3
    assert invariants.check_writes(looking, written, stage.cast.owner).holds
    return written


def only_wrong(check: Check) -> str:
    """Return the one thing that is wrong."""
    (wrong,) = check.wrong
    return wrong


def test_a_write_that_is_counted_and_was_never_acknowledged(
    stage: Stage, looking: Connection, ledger: Ledger
) -> None:
    ledger.begin(Write("boasted", SESSIONS[0], "text", "acknowledged", "chat_x"))
    check = invariants.check_writes(looking, ledger, stage.cast.owner)
    assert only_wrong(check) == "boasted was acknowledged, and is not there"
    assert check.looked_at["written"] == 4


def test_a_write_that_is_there_though_it_was_refused(
    stage: Stage, looking: Connection, ledger: Ledger
) -> None:
    write = next(iter(ledger.writes.values()))
    write.state = "refused"
    check = invariants.check_writes(looking, ledger, stage.cast.owner)
    assert only_wrong(check) == f"{write.client_message_id} was refused, and is there"


def test_a_write_that_is_there_twice_or_changed(
    stage: Stage, looking: Connection, ledger: Ledger
) -> None:
    first, second, _ = ledger.writes.values()
    looking.execute(
        "insert into app.chat_threads (account_id, session_id, mode, title, status) "
        "values (%s, %s, 'general', 'other', 'archived')",
        [stage.cast.owner, first.session_id],
    )
    looking.execute(
        "insert into app.chat_messages "
        "(account_id, session_id, thread_id, mode, role, content, client_message_id) "
        "select account_id, session_id, id, mode, 'user', %s, %s from app.chat_threads "
        "where account_id = %s and mode = 'general'",
        [first.content, first.client_message_id, stage.cast.owner],
    )
    looking.execute(
        "update app.chat_messages set content = 'x' where client_message_id = %s",
        [second.client_message_id],
    )
    check = invariants.check_writes(looking, ledger, stage.cast.owner)
    assert check.wrong == [
        f"{first.client_message_id} is there 2 times",
        f"{second.client_message_id} was acknowledged, and is with other values",
    ]


def test_a_tool_event_that_is_gone(stage: Stage, looking: Connection) -> None:
    told = Ledger()
    told.begin_tool(Tool("tool_gone", "said"))
    assert "not there" in only_wrong(invariants.check_tools(looking, told, stage.cast.owner))


def test_a_count_that_is_wrong(stage: Stage, looking: Connection, ledger: Ledger) -> None:
    assert ledger.acknowledged()
    assert invariants.check_tables(looking).holds
    with looking.transaction():
        looking.execute("set local session_replication_role = replica")
        looking.execute(
            "delete from app.chat_messages where id = "
            "(select min(id) from app.chat_messages where account_id = %s)",
            [stage.cast.owner],
        )
    assert "whose count is not" in invariants.check_tables(looking, stage.cast.owner).wrong[0]
    # Of another account it is not wrong.
    assert invariants.check_tables(looking, stage.cast.viewer).holds


def catch_up(follower: Follower) -> None:
    """Let a client ask until there is nothing more, or it was told something wrong."""
    while not follower.is_up_to_date and not follower.wrong[1:]:
        follower.once()
    follower.close()


class Forgetful(Follower):
    """A client that drops the first change of each answer."""

    def take(self, messages: list[dict[str, Any]]) -> None:
        """Take all but the first."""
        super().take(messages[1:])


class Repeating(Follower):
    """A client that is told everything twice."""

    def take(self, messages: list[dict[str, Any]]) -> None:
        """Take all, and all again."""
        super().take(messages)
        super().take(messages)


@pytest.mark.parametrize(
    ("kind", "wrong"), [(Forgetful, "the same"), (Repeating, "was inserted twice"), (Follower, "")]
)
def test_a_client_that_has_other_rows(
    stage: Stage, looking: Connection, ledger: Ledger, kind: type[Follower], wrong: str
) -> None:
    session = next(iter(ledger.writes.values())).session_id
    follower = kind(stage, ledger, Wanted(SHAPES[0], session, "owner", "name"), SEED)
    catch_up(follower)
    check = invariants.check_followers(stage, looking, [follower], 0)
    assert check.holds == (not wrong)
    assert wrong in " ".join(check.wrong)
    assert check.looked_at["rows"]


def test_a_row_of_somebody_else(stage: Stage, looking: Connection, ledger: Ledger) -> None:
    session = next(iter(ledger.writes.values())).session_id
    follower = Follower(stage, ledger, Wanted(SHAPES[0], session, "owner", "name"), SEED)
    follower.look_at_rows([{"value": {"account_id": str(stage.cast.stranger)}}])
    catch_up(follower)
    assert "somebody else" in only_wrong(invariants.check_followers(stage, looking, [follower], 0))


def test_a_stranger_who_is_let_in(stage: Stage, looking: Connection) -> None:
    stranger = Stranger(stage, Ledger(), SEED)
    stranger.once()
    assert invariants.check_stranger(stranger).holds
    looking.execute(
        "insert into app.session_members (account_id, session_id, member_account_id, role) "
        "select account_id, id, %s, 'viewer' from app.sessions where account_id = %s",
        [stage.cast.stranger, stage.cast.owner],
    )
    stranger.once()
    stranger.close()
    looking.execute(
        "delete from app.session_members where member_account_id = %s", [stage.cast.stranger]
    )
    assert "was given a shape 1 times" in only_wrong(invariants.check_stranger(stranger))


def test_an_import_that_ended_otherwise(stage: Stage, looking: Connection) -> None:
    importer = Importer(stage, Ledger(), SEED)
    importer.undisturbed()
    again = importer.command("drill import 1", "again")
    again.start()
    assert again.wait(60) == ExitCode.OK
    importer.finished.append("drill import 1")
    assert invariants.check_imports(looking, importer).holds
    looking.execute(
        "update app.chat_messages set content = 'x' where (account_id, id) = ("
        "select account_id, min(id) from app.chat_messages where account_id = "
        "(select id from app.accounts where name = 'drill import 1') group by account_id)"
    )
    wrong = " ".join(invariants.check_imports(looking, importer).wrong)
    assert "drill import 1: chat_messages" in wrong
    assert UNDISTURBED not in wrong.split(": ")


def test_a_transaction_that_stays_open_and_a_slot_that_is_left(
    stage: Stage, looking: Connection
) -> None:
    assert invariants.check_connections(looking).holds
    looking.execute("select pg_create_physical_replication_slot('left_behind')")
    with stage.looking() as other, other.transaction():
        other.execute("select 1")
        wait_until(lambda: len(invariants.check_connections(looking, 0).wrong) > 1)
        wrong = invariants.check_connections(looking, 0).wrong
    looking.execute("select pg_drop_replication_slot('left_behind')")
    assert wrong[0] == "idle in a transaction: sessionbase drill"
    assert "left_behind" in wrong[1]


@pytest.mark.parametrize("said", ["Traceback (most recent call last)", MARK, "the-secret"])
def test_a_log_that_says_too_much(stage: Stage, tmp_path: Path, said: str) -> None:
    log = tmp_path / "printed.log"
    log.write_text("all is well")
    assert invariants.check_logs(stage, [log], ["the-secret"]).holds
    log.write_text(f"all is well, {said}")
    only_wrong(invariants.check_logs(stage, [log], ["the-secret"]))


def test_a_program_that_ends_by_itself(stage: Stage, tmp_path: Path) -> None:
    program = Program("guide", ["no-such-command"], {}, tmp_path / "log")
    program.start()
    wait_until(lambda: program.ended_by_itself() is not None)
    assert program.ended_by_itself() == 1
    assert stage.gatekeeper.ended_by_itself() is None


def test_without_root_the_disk_is_not_filled_and_the_drill_says_so(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SessionbaseError, match="needs root"):
        SmallDisk(tmp_path).mount()
    monkeypatch.setitem(stage.why_not, "disk_full", "needs root")
    faults, why_not = all_faults(stage)
    assert "disk_full" not in {fault.name for fault in faults}
    assert "postgres_kill" in {fault.name for fault in faults}
    assert why_not["disk_full"] == "needs root"


class Boastful(DirectWriter):
    """A writer that counts what nobody acknowledged."""

    def append(self, write: Write) -> str:
        """Write nothing, and say that it is done."""
        return f"chat_{write.client_message_id}"


def boasting(stage: Stage, seed: int) -> Actors:
    """Return the usual ones, and one who boasts."""
    actors = usual_actors(stage, seed)
    actors.writers.append(Boastful(stage, actors.ledger, "boastful", seed))
    return actors


def test_a_drill_with_a_violation_says_which_and_keeps_the_logs(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_drill(settings, DrillOrder(0.05, 77), print, boasting)
    assert not report.holds
    assert show_drill(report, as_json=False) == ExitCode.BROKEN
    printed = capsys.readouterr().out
    assert "boastful-1 was acknowledged, and is not there" in printed
    assert f"seed 77; logs are kept in {report.kept}" in printed
    assert report.kept
    kept = {path.name for path in report.kept.iterdir()}
    assert kept >= {"gatekeeper.log", "stand-in.log", "postgres.log", "drill-import-0.log"}
