"""What keeps the doors closed, and how one goes on from there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.watched import events
from harness.connections import connect
from harness.console import Watch
from harness.cutover import night, stop
from harness.cutover.archive import check_archive
from harness.cutover.bringing import Bringing
from harness.cutover.journal import Facts
from harness.cutover.night import Night
from harness.cutover.run import cut_over
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.results import ImportResult
from tests.py.commands.conftest import invoke_on
from tests.py.cutover.nights import Place, is_closed, write_data
from tests.py.legacy.builders import message


def before(step: str, do: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """Do something right before a step."""
    really = night.DO[step]

    def first(asked: Night) -> Facts:
        do()
        return really(asked)

    patch.setitem(night.DO, step, first)


def interrupt() -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def run(place: Place, statement: str) -> int:
    """Run a statement of which no trigger hears; return how many rows it touched."""
    with connect(place.server, "test") as connection:
        connection.execute("set session_replication_role = replica")
        return connection.execute(statement.encode()).rowcount


def refusal(place: Place, **options: object) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        place.cut_over(**options)
    return caught.value


def test_a_row_that_differs_keeps_the_doors_closed_until_it_is_mended(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil = "update app.chat_messages set content = content || '!' where id = 'chat_7'"
    with monkeypatch.context() as patch:
        before("verify", lambda: _one(run(place, spoil)), patch)
        error = refusal(place)
    assert error.code == ExitCode.CUTOVER_STOPPED
    assert "chat-messages.json, record 8, content" in error.excerpt
    assert "invoke rollback" in error.hint
    assert "run the same command again" in error.hint
    assert "MAINTENANCE IS ON" in capsys.readouterr().err
    assert is_closed(place.server)
    assert not (place.out / "cutover.html").exists()

    assert refusal(place).code == ExitCode.CUTOVER_STOPPED
    assert is_closed(place.server)
    _one(run(place, "update app.chat_messages set content = left(content, -1) where id = 'chat_7'"))
    place.cut_over()
    assert not is_closed(place.server)
    # What was done was not done again.
    assert events(place.out / "journal.jsonl").count(("begun", "import")) == 1


def _one(count: int) -> None:
    assert count == 1


def test_too_many_quarantined_keep_the_doors_closed_until_they_are_allowed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The dry import would say it first, and so would nothing where it could not be tried.
    with monkeypatch.context() as patch:
        patch.setattr("harness.cutover.preflight.refuse", lambda _: None)
        error = refusal(place, max_quarantine=1)
    assert error.code == ExitCode.CUTOVER_STOPPED
    assert "2 records were quarantined" in error.what
    assert "chat-messages.json, role" in error.excerpt
    assert is_closed(place.server)
    assert refusal(place, max_quarantine=1).code == ExitCode.CUTOVER_STOPPED
    facts = place.cut_over(max_quarantine=2).facts
    assert facts["total"] == {
        "read": 370,
        "imported": facts["total"]["imported"],
        "unchanged": 0,
        "adopted": facts["total"]["adopted"],
        "quarantined": 2,
    }
    assert not is_closed(place.server)


@pytest.mark.parametrize(
    ("spoil", "mend", "shown"),
    [
        (
            "grant delete on app.chat_messages to electric_read",
            "revoke delete on app.chat_messages from electric_read",
            "electric_read",
        ),
        (
            "alter publication electric_publication_sessionbase drop table app.todos",
            "alter publication electric_publication_sessionbase add table app.todos",
            "app.todos",
        ),
    ],
)
def test_rights_and_sync_that_are_not_as_meant_keep_the_doors_closed(
    place: Place, spoil: str, mend: str, shown: str
) -> None:
    run(place, spoil)
    error = refusal(place)
    assert error.code == ExitCode.CUTOVER_STOPPED
    assert shown in error.excerpt
    assert is_closed(place.server)
    run(place, mend)
    place.cut_over()
    assert not is_closed(place.server)


def _write_another(data: Path) -> None:
    """Do what a viewer does that is still at work."""
    file = data / "chat-messages.json"
    late = json.dumps(message(id="late", sessionId="session-0", threadId="thread_0"))
    whole = file.read_text()
    assert whole.rstrip().endswith("]")
    file.write_text(f"{whole.rstrip()[:-1]}, {late}]")


@pytest.mark.parametrize("when", ["before the import", "by the import", "before the doors opened"])
def test_a_file_that_changes_is_found_and_the_next_run_takes_it_as_it_is(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    data = write_data(tmp_path / "written")
    place = Place(place.server, place.settings, data, place.out)
    really = Bringing.bring_in

    def bring_in(asked: Bringing, watch: Watch) -> ImportResult:
        _write_another(data)
        return really(asked, watch)

    with monkeypatch.context() as patch:
        if when == "by the import":
            patch.setattr(Bringing, "bring_in", bring_in)
        else:
            step = "import" if when == "before the import" else "open"
            before(step, lambda: _write_another(data), patch)
        error = refusal(place)
    assert error.code == ExitCode.DATA_CHANGED
    assert f"chat-messages.json, read {when}, is not what was archived" in error.what
    assert is_closed(place.server)

    facts = place.cut_over().facts
    assert not is_closed(place.server)
    assert facts["total"]["read"] == 371
    assert run(place, "select from app.chat_messages where id = 'late'") == 1
    # The first one stays: nobody knows who still needs it.
    assert len(list((place.out / "archive").glob("*.tar.zst"))) == 2


def test_a_mark_that_somebody_lifted_is_set_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lift() -> None:
        assert is_closed(place.server)
        run(place, "update app.maintenance set since = null, reason = null, begun_by = null")
        assert not is_closed(place.server)

    seen: list[bool] = []
    before("import", lift, monkeypatch)
    before("verify", lambda: seen.append(is_closed(place.server)), monkeypatch)
    place.cut_over()
    assert seen == [True]


def test_ctrl_c_says_that_the_doors_are_closed(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        before("verify", interrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            place.cut_over()
    assert "MAINTENANCE IS ON" in capsys.readouterr().err
    place.cut_over()
    assert not is_closed(place.server)


def test_records_in_conflict_may_be_replaced_in_the_next_run(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The viewer changed a record that had come in: the hint says how one goes on."""
    data = write_data(tmp_path / "written")
    place = Place(place.server, place.settings, data, place.out)
    file = data / "chat-tool-events.json"

    def change() -> None:
        file.write_text(file.read_text().replace('"toolName"', '"note": 1, "toolName"', 1))

    with monkeypatch.context() as patch:
        before("open", change, patch)
        assert refusal(place).code == ExitCode.DATA_CHANGED
    error = refusal(place)
    assert error.code == ExitCode.CUTOVER_STOPPED
    assert "3 records were quarantined" in error.what
    place.cut_over(on_conflict="replace")
    assert run(place, "select from app.chat_tool_events where extra ? 'note'") == 1
    assert not is_closed(place.server)


def test_an_archive_that_is_not_whole_is_taken_again(place: Place) -> None:
    with pytest.MonkeyPatch.context() as patch:
        before("open", interrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            place.cut_over()
    (archive,) = (place.out / "archive").glob("*.tar.zst")
    whole = archive.read_bytes()
    archive.chmod(0o600)
    archive.write_bytes(whole[:-9])
    facts = place.cut_over().facts
    assert facts["archive"]["path"] != str(archive)
    check_archive(Path(facts["archive"]["path"]), print)
    assert facts["total"]["unchanged"] == facts["total"]["read"] - 2
    assert not is_closed(place.server)


def test_an_import_that_ended_before_the_journal_knew_is_not_done_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = night.DO["import"]

    def bring_in(asked: Night) -> Facts:
        really(asked)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(night.DO, "import", bring_in)
        with pytest.raises(KeyboardInterrupt):
            place.cut_over()
    assert run(place, "select from legacy.import_runs where outcome = 'finished'") == 1
    facts = place.cut_over().facts
    assert run(place, "select from legacy.import_runs") == 1
    assert facts["total"]["unchanged"] == 0
    assert facts["import"]["seconds"] > 0


def test_a_stop_leaves_a_page_until_it_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Facts] = []
    spoil = "update app.chat_messages set content = 'xyzzy' where id = 'chat_7'"
    with monkeypatch.context() as patch:
        before("verify", lambda: _one(run(place, spoil)), patch)
        with pytest.raises(SessionbaseError) as caught:
            cut_over(place.server, place.settings, place.request(), told.append)
    (facts,) = told
    page = (place.out / "stopped.html").read_text()
    assert json.loads((place.out / "stopped.json").read_text()) == facts
    assert facts["stopped"] == {
        "step": "verify",
        "exit_code": ExitCode.CUTOVER_STOPPED,
        "why": caught.value.what,
        "lines": [line.strip() for line in caught.value.excerpt.splitlines()],
    }
    assert [one["state"] for one in facts["steps"]] == ["done"] * 5 + ["stopped"] + ["to do"] * 3
    assert facts["doors"] == "closed"
    assert facts["total"]["read"] == 370
    assert facts["remedy"] == caught.value.hint
    assert facts["again"] == (
        f"invoke cutover --data {place.data} --out {place.out} --max-quarantine 2"
    )
    for shown in [
        "the doors are closed",
        "chat-messages.json, record 8, content",
        "exit code 51",
        facts["again"],
        facts["rollback"],
    ]:
        assert shown in page
    # Nothing is fetched, and nothing of a record is in it.
    assert "://" not in page.replace("postgresql://", "")
    assert "xyzzy" not in page + json.dumps(facts)

    # The same command goes on, and stops elsewhere: by then that page is gone.
    with monkeypatch.context() as patch:
        seen: list[bool] = []
        before("verify", lambda: seen.append((place.out / "stopped.html").exists()), patch)
        assert refusal(place).code == ExitCode.CUTOVER_STOPPED
    assert seen == [False]
    assert (place.out / "stopped.html").exists()
    _one(run(place, "update app.chat_messages set content = 'hi' where id = 'chat_7'"))


@pytest.mark.parametrize(
    ("end", "code", "why"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "/nowhere"), 1, "/nowhere: Permission denied"),
        (ValueError("xyzzy"), 1, "a fault of the program (ValueError)"),
        (
            SessionbaseError(ExitCode.MIGRATION_FAILED, "no", excerpt="  detail: (id)=(xyzzy)"),
            20,
            "no",
        ),
    ],
)
def test_any_end_leaves_a_page_without_what_it_may_quote(
    place: Place, monkeypatch: pytest.MonkeyPatch, end: BaseException, code: int, why: str
) -> None:
    def fail() -> None:
        raise end

    before("preflight", lambda: None, monkeypatch)
    before("archive", fail, monkeypatch)
    with pytest.raises(type(end)):
        place.cut_over()
    facts = json.loads((place.out / "stopped.json").read_text())
    assert facts["stopped"] == {"step": "archive", "exit_code": code, "why": why, "lines": []}
    assert facts["doors"] == "open"
    assert facts["rollback"] is None
    assert "xyzzy" not in (place.out / "stopped.html").read_text() + json.dumps(facts)


def test_the_doors_of_a_database_that_is_away_are_those_of_the_journal(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = SessionbaseError(ExitCode.UNREACHABLE, "it is away")

    def lose() -> None:
        monkeypatch.setattr(stop, "connect", fail)
        raise gone

    def fail(*_: object) -> None:
        raise gone

    with monkeypatch.context() as patch:
        before("import", lose, patch)
        assert refusal(place).code == ExitCode.UNREACHABLE
    facts = json.loads((place.out / "stopped.json").read_text())
    assert (facts["doors"], facts["stopped"]["step"]) == ("closed", "import")
    assert "MAINTENANCE IS ON" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        before("import", interrupt, patch)
        (place.out / "journal.jsonl").unlink()
        before("archive", interrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            place.cut_over()
    assert json.loads((place.out / "stopped.json").read_text())["doors"] == "unknown"
    assert "MAINTENANCE MAY BE ON" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_hides_no_error(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Facts] = []

    def block() -> None:
        (place.out / "stopped.html").mkdir()
        interrupt()

    before("archive", block, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        cut_over(place.server, place.settings, place.request(), told.append)
    assert told[0]["page"] is None
    assert told[0]["stopped"]["exit_code"] == 130
    assert "the report can't be written" in capsys.readouterr().err


def test_the_command_prints_a_stop_as_json_and_exits_as_before(
    place: Place, tmp_path: Path
) -> None:
    run(place, "grant delete on app.chat_messages to electric_read")
    words = ["cutover", "--data", str(place.data), "--out", str(place.out), "--json"]
    invoke = invoke_on(place.server, tmp_path / "home")
    for more, code, step in (
        ([], ExitCode.NOT_READY, "preflight"),
        (["--max-quarantine", "2"], ExitCode.CUTOVER_STOPPED, "check"),
    ):
        done = invoke(*words, *more)
        assert done.returncode == code, done.stderr
        facts = json.loads(done.stdout)
        assert facts == json.loads((place.out / "stopped.json").read_text())
        assert (facts["stopped"]["step"], facts["stopped"]["exit_code"]) == (step, code)
        assert facts["stopped"]["why"] in done.stderr
    assert "electric_read" in "\n".join(facts["stopped"]["lines"])
    run(place, "revoke delete on app.chat_messages from electric_read")
    done = invoke(*words, "--max-quarantine", "2")
    assert done.returncode == ExitCode.OK, done.stderr
    assert json.loads(done.stdout)["was_done"] is False
    assert not (place.out / "stopped.html").exists()
