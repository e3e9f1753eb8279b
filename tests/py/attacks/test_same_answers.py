"""What is another's and what is nowhere: one answer, to the byte."""

import json
import re

import pytest

from tests.py.attacks import scene, wire
from tests.py.attacks.striking import Stage

_OF_THE_MOMENT = re.compile(rb"(?im)^(date|x-request-id): .*\r\n")
_SHAPES = ("session", "session_todos", "session_messages", "session_uploads", "session_members")


def _answer(stage: Stage, request: str, body: str = "") -> bytes:
    head = (
        f"{request} HTTP/1.1\r\nHost: {stage.gatekeeper.host}\r\n{stage.names()['auth_jwt']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    raw = wire.exchange(stage.gatekeeper.port, (head + body).encode()).raw
    return _OF_THE_MOMENT.sub(b"", raw)


def _token(stage: Stage, **asked: str) -> bytes:
    return _answer(stage, "POST /v1/shape-tokens", json.dumps(asked))


@pytest.mark.parametrize("shape", _SHAPES)
def test_a_path_to_a_foreign_session_is_one_to_nowhere(shape: str, stage: Stage) -> None:
    def at(session: str, owner: str = "") -> bytes:
        query = f"?offset=-1{owner and '&owner='}{owner}"
        return _answer(stage, f"GET /v1/sessions/{session}/shapes/{shape}{query}")

    nowhere = at("nowhere")
    assert nowhere.startswith(b"HTTP/1.1 403")
    assert at("theirs") == nowhere
    assert at("theirs", scene.OTHER) == nowhere
    assert at("nowhere", scene.OTHER) == nowhere
    assert at("s1", scene.OTHER) == nowhere
    assert at("s1", scene.DISABLED) == nowhere
    assert at("s1", scene.STRANGER) == nowhere
    assert at("s1").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("shape", _SHAPES)
def test_a_token_for_a_foreign_session_is_one_for_nowhere(shape: str, stage: Stage) -> None:
    nowhere = _token(stage, shape=shape, session_id="nowhere")
    assert nowhere.startswith(b"HTTP/1.1 403")
    assert _token(stage, shape=shape, session_id="theirs") == nowhere
    for owner in (scene.OTHER, scene.DISABLED, scene.STRANGER):
        assert _token(stage, shape=shape, session_id="s1", owner=owner) == nowhere
        assert _token(stage, shape=shape, session_id="theirs", owner=owner) == nowhere
    assert _token(stage, shape=shape, session_id="s1").startswith(b"HTTP/1.1 200")


def test_a_foreign_thread_is_one_that_is_nowhere(stage: Stage) -> None:
    def of(**asked: str) -> bytes:
        return _token(stage, shape="thread_messages", **asked)

    nowhere = of(session_id="s1", thread_id="nowhere")
    assert nowhere.startswith(b"HTTP/1.1 403")
    assert of(session_id="s1", thread_id="theirs-thread") == nowhere
    assert of(session_id="theirs", thread_id="theirs-thread", owner=scene.OTHER) == nowhere
    assert of(session_id="s1", thread_id="s1-thread").startswith(b"HTTP/1.1 200")


def test_what_is_claimed_wrongly_is_answered_alike(stage: Stage) -> None:
    """Whether it is there or not: nobody learns names of tables, columns or handles by asking."""

    def asked(query: str) -> bytes:
        head = (
            f"GET /v1/shape?offset=-1&{query} HTTP/1.1\r\nHost: {stage.gatekeeper.host}\r\n"
            f"{stage.names()['auth_token']}\r\nConnection: close\r\n\r\n"
        )
        return _OF_THE_MOMENT.sub(b"", wire.exchange(stage.gatekeeper.port, head.encode()).raw)

    nowhere = asked("table=app.no_such_table")
    assert nowhere.startswith(b"HTTP/1.1 403")
    for query in ("table=app.sessions", "columns=id", "columns=no_such", "where=true", "log=none"):
        assert asked(query) == nowhere
