"""A rollback gives every file back byte for byte, loses nothing, and may be killed anywhere."""

import json
import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from harness.acting import acting_as, find_account
from harness.connections import Connection, Server, connect
from harness.cutover.losses import _WHAT, count_losses
from harness.cutover.rollback import RollbackRequest, RolledBack, roll_back
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.maintenance import end_maintenance, maintenance_state
from harness.review.seed import ACCOUNTS, plant
from harness.settings import EXAMPLES
from tests.py.commands.conftest import invoke_on
from tests.py.rollback.folders import MESSAGES, THREADS, TOOLS, archive, kept, seen, silent, write

NAMES = st.sampled_from([THREADS, MESSAGES, TOOLS, "notes/a.txt", "b"])
FOLDERS = st.dictionaries(NAMES, st.binary(max_size=200), min_size=1)


def back(
    data: Path, path: Path | None, server: Server | None = None, **options: bool
) -> RolledBack:
    return roll_back(RollbackRequest(data, path, server, **options), silent)  # type: ignore[arg-type]


@given(before=FOLDERS, after=FOLDERS)
@hypothesis_settings(max_examples=30, deadline=None)
def test_every_file_is_as_it_was(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    with TemporaryDirectory() as scratch:
        before = before | {THREADS: before.get(THREADS, b"[]")}
        data = write(Path(scratch) / "data", before)
        was, made = seen(data), archive(data)
        for name in before:
            (data / name).unlink()
        write(data, after)

        done = back(data, made.path)
        there = seen(data)
        assert {name: there[name] for name in before} == was
        # What is not of the archive stays, but for what the old viewer would read.
        assert there.keys() == before.keys() | (after.keys() - {MESSAGES, TOOLS, THREADS})
        assert sorted(done.others) == sorted(after.keys() & {"b", "notes/a.txt"} - before.keys())
        # Nothing that was there is lost.
        assert set(after.values()) <= set(kept(data))

        asides = list(data.glob("before-rollback-*"))
        again = back(data, made.path)
        assert {file.fate for file in again.files} == {"unchanged"}
        assert list(data.glob("before-rollback-*")) == asides
        assert seen(data) == there


OLD = {THREADS: b"[1]", MESSAGES: b"[22]" * 999, "notes/old": b"x"}
NEW = {THREADS: b"[3]", MESSAGES: b"[44]" * 999, TOOLS: b"[5]"}
_DEEDS = ("fsync", "link", "replace", "rename", "mkdir")


def killed_at(number: int, data: Path, path: Path) -> bool:
    """Roll back in a process that is killed before its nth deed. False: it had none left."""
    child = os.fork()
    if not child:
        left = number
        for name in _DEEDS:
            real = getattr(os, name)

            def deed(*arguments: object, _real: object = real, **named: object) -> object:
                nonlocal left
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return _real(*arguments, **named)  # type: ignore[operator]

            setattr(os, name, deed)
        back(data, path)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_killed_anywhere_it_leaves_whole_files_and_goes_on(tmp_path: Path) -> None:
    was = seen(write(tmp_path / "data", OLD))
    made = archive(tmp_path / "data")
    number = 0
    while True:
        data = write(tmp_path / f"data-{number}", NEW)
        was_killed = killed_at(number, data, made.path)
        for name in NEW.keys() | OLD.keys():
            if (data / name).exists():
                assert (data / name).read_bytes() in {NEW.get(name), OLD.get(name)}
            else:
                # Only what is there before or after, but not both, may be away.
                assert (name in NEW) != (name in OLD)
        assert set(NEW.values()) <= set(kept(data))
        back(data, made.path)
        assert seen(data) == was
        assert set(NEW.values()) <= set(kept(data))
        if not was_killed:
            break
        number += 1
    assert number > 15


def test_what_stands_in_the_way_and_is_no_file_is_kept(tmp_path: Path) -> None:
    data = write(tmp_path / "data", OLD)
    was, made = seen(data), archive(data)
    (data / THREADS).unlink()
    (data / THREADS).symlink_to("nowhere")
    (data / MESSAGES).unlink()
    (data / MESSAGES / "in it").mkdir(parents=True)
    done = back(data, made.path)
    assert seen(data) == was
    assert done.aside
    assert (Path(done.aside) / THREADS).is_symlink()
    assert (Path(done.aside) / MESSAGES / "in it").is_dir()


def test_a_damaged_archive_changes_nothing(tmp_path: Path) -> None:
    made = archive(write(tmp_path / "data", OLD))
    content = bytearray(made.path.read_bytes())
    content[60] ^= 1
    (tmp_path / "damaged.tar.zst").write_bytes(content)
    data = write(tmp_path / "other", NEW)
    was = seen(data)
    with pytest.raises(SessionbaseError) as raised:
        back(data, tmp_path / "damaged.tar.zst")
    assert raised.value.code == ExitCode.DAMAGED
    assert seen(data) == was


@pytest.fixture
def night(database: Server, tmp_path: Path) -> Path:
    """Give the old viewer's folder after a cutover."""
    data = tmp_path / "data"
    write(data, {path.name: path.read_bytes() for path in EXAMPLES.glob("*.json")})
    import_folder(database, ImportRequest(data), lambda *_: None)
    return data


def say(server: Server, text: str) -> None:
    """Write a message, as an application does."""
    with connect(server, "test") as connection:
        account_id = find_account(connection, None)
        with acting_as(connection, account_id):
            connection.execute(
                "select from api.append_message(session_id => 's', role => 'user', content => %s)",
                [text],
            )


def count(server: Server) -> int:
    with connect(server, "test") as connection:
        ((rows,),) = connection.execute("select count(*) from app.chat_messages").fetchall()
    return int(rows)


def test_it_stops_writing_and_leaves_the_database(database: Server, night: Path) -> None:
    was, made = seen(night), archive(night)
    say(database, "since the cutover")
    there = count(database)
    (night / MESSAGES).write_bytes(b"written over")
    tried = back(night, made.path, database, dry_run=True)
    assert {file.name: file.fate for file in tried.files}[MESSAGES] == "restored"
    assert (night / MESSAGES).read_bytes() == b"written over"
    assert maintenance_state(database) is None

    done = back(night, made.path, database)
    assert seen(night) == was
    assert (done.stopped, count(database)) == (True, there)
    with pytest.raises(SessionbaseError) as raised:
        say(database, "too late")
    assert raised.value.code == ExitCode.UNDER_MAINTENANCE
    end_maintenance(database)
    say(database, "again")


def test_what_was_written_since_comes_along(database: Server, night: Path) -> None:
    say(database, "since the cutover")
    (night / TOOLS).chmod(0o604)
    tried = back(night, None, database, dry_run=True)
    assert maintenance_state(database) is None
    done = back(night, None, database)
    assert done.stopped
    messages = json.loads((night / MESSAGES).read_bytes())
    assert len(messages) == count(database)
    assert [one["content"] for one in messages][-1] == "since the cutover"
    assert (night / TOOLS).stat().st_mode & 0o777 == 0o604
    assert (
        {loss.kind for loss in done.losses}
        == {"row versions"}
        == {loss.kind for loss in tried.losses}
    )
    again = back(night, None, database)
    assert {file.fate for file in again.files} == {"unchanged"}


def test_every_kind_that_the_files_can_not_hold_is_counted(connection: Connection) -> None:
    owner = str(ACCOUNTS["owner"])
    plant(connection)
    with connection.transaction():
        connection.execute("update app.todos set body = 'x'")
        connection.execute("update app.chat_threads set title = 'x'")
        connection.execute(
            "update app.chat_messages set author_account_id = %s where account_id = %s",
            [ACCOUNTS["editor"], owner],
        )
        connection.execute("insert into app.sessions (account_id, id) values (%s, 'e')", [owner])
        connection.execute(
            "update auth.login_sessions set absolute_expires_at = 'infinity', "
            "idle_expires_at = 'infinity', revoked_at = null, revoked_why = null"
        )
        found = {loss.kind: loss.rows for loss in count_losses(connection, owner)}
        assert found.keys() == _WHAT.keys()
        ((todos,),) = connection.execute(
            "select count(*) from app.todos where account_id = %s", [owner]
        ).fetchall()
        assert found["todos"] == todos
        nobody = "00000000-0000-4000-8000-0000000000ee"
        assert [loss.kind for loss in count_losses(connection, nobody)] == ["other accounts"]


def test_a_login_that_policies_bind_is_told(connection: Connection) -> None:
    connection.execute("set role import_definer")
    with connection.transaction(), pytest.raises(SessionbaseError) as raised:
        count_losses(connection, "00000000-0000-4000-8000-000000000001")
    assert raised.value.code == ExitCode.NO_PERMISSION


def test_the_commands(database: Server, night: Path, tmp_path: Path) -> None:
    invoke = invoke_on(database, tmp_path / "home")
    was, made = seen(night), archive(night)
    both = ("--archive", str(made.path), "--with-new-data")
    assert invoke("rollback", "--data", str(night), *both).returncode == ExitCode.REFUSED
    (night / THREADS).write_bytes(b"written over")
    said = invoke("rollback", "--data", str(night), "--archive", str(made.path), "--json")
    assert said.returncode == ExitCode.OK, said.stderr
    facts = json.loads(said.stdout)
    assert {file["name"]: file["fate"] for file in facts["files"]} == {
        MESSAGES: "unchanged",
        THREADS: "restored",
        TOOLS: "unchanged",
    }
    assert seen(night) == was

    state = maintenance_state(database)
    assert state
    assert state.reason == "rolled back to the old viewer"
    ended = invoke("maintenance", "--end")
    assert (ended.returncode, "has ended" in ended.stdout) == (ExitCode.OK, True)
    new = invoke("rollback", "--data", str(night), "--with-new-data")
    assert (new.returncode, "is stopped" in new.stdout) == (ExitCode.OK, True)
