"""The codes of the guide's table are what the functions answer."""

import json

import psycopg
import pytest

from harness.connections import Server
from harness.guide.entries import load_entries
from harness.maintenance import begin_maintenance, end_maintenance
from tests.py.guide.conftest import Seeded
from tests.py.guide.running import ACCOUNT, FRIEND

THREAD = "thread_b6a95cfd-76f4-4861-85e6-cb3dc031fe0f"
RENAME = "api.rename_thread(thread_id => '{}', title => 'Mine'{})"
ASK = {
    "SB404": RENAME.format("thread_gone", ""),
    "SB409": RENAME.format(THREAD, ", expected_row_version => 99"),
    "SB422": "api.finish_tool_event(tool_event_id => 'tool_c6ca1c7f-a0d2-442d-a564-0cf4f0bf9f85', "
    "status => 'failed')",
    "42501": f"api.open_session(session_id => 'mine', account_id => '{FRIEND}')",
    "22023": "api.list_sessions(page_size => 0)",
    "22P02": "api.list_sessions(page_size => 'many')",
    "22P05": r"""api.save_ui_settings(profile_id => 'p', settings => '{"a": "\u0000"}')""",
    "23502": "api.add_todo(body => null)",
    "23514": "api.add_todo(body => ' ')",
    "42883": RENAME.format(THREAD, ", titel => 'x'"),
    "57014": RENAME.format(THREAD, ""),
}
ELSEWHERE = {
    "28000": "with another account: below",
    "SB503": "under maintenance: below",
    "22021": "tests/node/day.mjs, for psycopg sends no NUL",
    "40001": "a race",
    "40P01": "only where the caller calls several functions in one transaction",
    "08006": "tests/node/day.mjs",
}


def ask(server: Server, account: str, call: str) -> str | None:
    """Call a function as an account; return the code of the error."""
    with psycopg.connect(server.conninfo) as connection:
        connection.execute("set local role app_user")
        connection.execute("set local statement_timeout = '300ms'")
        claims = json.dumps({"sub": account})
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(f"select * from {call}".encode())
        return raised.value.sqlstate


def test_every_code_is_tried() -> None:
    assert load_entries().general.codes.keys() == ASK.keys() | ELSEWHERE.keys()


def test_codes_are_what_the_functions_answer(seeded: Seeded) -> None:
    server, login = seeded()
    with psycopg.connect(server.conninfo) as holder:
        # Whoever waits for this row gives up.
        holder.execute("select from app.chat_threads where id = %s for update", [THREAD])
        assert ask(login, ACCOUNT, ASK["57014"]) == "57014"
    assert {code: ask(login, ACCOUNT, call) for code, call in ASK.items() if code != "57014"} == {
        code: code for code in ASK if code != "57014"
    }


def test_nothing_is_written_under_maintenance(seeded: Seeded) -> None:
    server, login = seeded()
    begin_maintenance(server, "a test")
    assert ask(login, ACCOUNT, "api.add_todo(body => 'x')") == "SB503"
    end_maintenance(server)
    assert ask(login, ACCOUNT, ASK["23514"]) == "23514"


def test_nobody_writes(seeded: Seeded) -> None:
    _, login = seeded()
    nobody = "00000000-0000-4000-8000-000000000000"
    assert ask(login, nobody, ASK["SB404"]) == "28000"
    assert ask(login, nobody, ASK["23514"]) == "28000"


def test_no_function_may_be_called_without_becoming_app_user(seeded: Seeded) -> None:
    _, login = seeded()
    with psycopg.connect(login.conninfo) as before, pytest.raises(psycopg.Error) as raised:
        before.execute("select * from api.list_sessions()")
    assert raised.value.sqlstate == "42501"
