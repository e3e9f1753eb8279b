"""A whole night, a night that is over, and two nights at once."""

import json

import psycopg
import pytest

from bench.contents import read_contents
from bench.watched import events
from harness.connections import connect
from harness.console import quiet_watch
from harness.cutover.archive import check_archive
from harness.cutover.locks import locked
from harness.cutover.request import STEPS
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.testing.servers import Databases
from tests.py.cutover.nights import Place, databases_of, files_of, is_closed


def test_a_new_database_gets_all_that_an_import_would_bring(
    new_place: Place, databases: Databases
) -> None:
    before = files_of(new_place.data)
    facts = new_place.cut_over().facts
    with connect(new_place.server, "test") as connection:
        found = read_contents(connection)
    with databases.migrated() as other:
        import_folder(other, ImportRequest(new_place.data), quiet_watch)
        with connect(other, "test") as connection:
            assert found == read_contents(connection)
    assert found["app.chat_messages"][0] == 300
    assert found["legacy.quarantine"][0] == 2
    assert not is_closed(new_place.server)
    assert files_of(new_place.data) == before
    assert databases_of(new_place.server) == set()
    assert [one["step"] for one in facts["steps"]] == list(STEPS)[:-1]
    assert facts["total"]["read"] == 370
    assert facts["total"]["quarantined"] == 2


def test_the_report_is_one_page_and_says_where_the_archive_is(place: Place) -> None:
    facts = place.cut_over().facts
    page = (place.out / "cutover.html").read_text()
    whole = check_archive(place.out / "archive" / facts["archive"]["path"].split("/")[-1], print)
    assert whole.sha256 == facts["archive"]["sha256"]
    for shown in [whole.sha256, facts["rollback"], "The doors are open", "chat-messages.json"]:
        assert shown in page
    # Nothing is fetched, and nothing of a record is in it.
    assert "://" not in page.replace("postgresql://", "")
    assert "src=" not in page
    assert "chat_1" not in page
    assert json.loads((place.out / "cutover.json").read_text()) == facts


def test_writing_is_refused_until_the_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from within: at the last look before the doors open."""
    from harness.cutover import night  # noqa: PLC0415 - what is wrapped

    seen: list[str] = []

    def look(asked: night.Night) -> dict[str, object]:
        with connect(asked.server, "test") as connection:
            connection.execute("set role app_user")
            with connection.transaction():
                connection.execute(
                    "select set_config('request.jwt.claims', "
                    '\'{"sub": "00000000-0000-4000-8000-000000000001"}\', true)'
                )
                rows = connection.execute("select count(*) from app.chat_messages").fetchone()
                assert rows == (300,)
                with pytest.raises(psycopg.Error) as caught:
                    connection.execute("select api.open_session('session-late')")
                seen.append(str(caught.value.sqlstate))
                raise psycopg.Rollback
        return night.check(asked)

    monkeypatch.setitem(night.DO, "check", look)
    place.cut_over()
    assert seen == ["SB503"]
    assert not is_closed(place.server)


def test_a_finished_one_says_so_and_does_nothing(place: Place) -> None:
    first = place.cut_over()
    assert not first.was_done
    with connect(place.server, "test") as connection:
        connection.execute("delete from app.chat_tool_events")
        noted = events(place.out / "journal.jsonl")
        again = place.cut_over()
        assert connection.execute("select count(*) from app.chat_tool_events").fetchone() == (0,)
    assert again.was_done
    assert again.facts == first.facts
    assert events(place.out / "journal.jsonl") == noted


def test_a_second_operator_is_refused_by_database_and_by_folder(place: Place) -> None:
    elsewhere = place.out.with_name("elsewhere")
    for folder, why in ((elsewhere, "backend process"), (place.out, "works in")):
        elsewhere.mkdir(exist_ok=True)
        place.out.mkdir(exist_ok=True)
        with locked(place.server, folder), pytest.raises(SessionbaseError) as caught:
            place.cut_over()
        assert caught.value.code == ExitCode.CUTOVER_RUNNING
        assert why in caught.value.what
    assert not (place.out / "journal.jsonl").exists()
    place.cut_over()


def test_a_folder_of_another_cutover_is_refused(place: Place, databases: Databases) -> None:
    place.cut_over()
    with databases.migrated() as other, pytest.raises(SessionbaseError) as caught:
        Place(other, place.settings, place.data, place.out).cut_over()
    assert caught.value.code == ExitCode.OTHER_CUTOVER
    assert "database" in caught.value.what


def test_a_damaged_journal_is_refused_and_one_cut_off_is_not(place: Place) -> None:
    first = place.cut_over()
    journal = place.out / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-20])
    # The last line said that the report is written: it is written again.
    assert not place.cut_over().was_done
    journal.write_bytes(whole.replace(b'"event":"done"', b'"event":"gone"', 1))
    with pytest.raises(SessionbaseError) as caught:
        place.cut_over()
    assert caught.value.code == ExitCode.OTHER_CUTOVER
    assert "line 3" in caught.value.what
    assert first.facts["archive"]["sha256"]


def test_nothing_is_written_into_the_data_folder(place: Place) -> None:
    with pytest.raises(SessionbaseError) as caught:
        Place(place.server, place.settings, place.data, place.data / "notes").cut_over()
    assert caught.value.code == ExitCode.REFUSED
    assert not (place.data / "notes").exists()
