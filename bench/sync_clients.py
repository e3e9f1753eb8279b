"""Programs that hear of messages: by LISTEN, by long polls and by server-sent events."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from bench.sync_subjects import Subject
from harness.connections import connect
from harness.errors import ExitCode, SessionbaseError

CHANNEL = "bench_sync"
LISTEN = "LISTEN/NOTIFY"
POLLS = "long polls"
EVENTS = "events (SSE)"

_LISTEN = f"listen {CHANNEL}"
_READ_S = 60
_AGAIN_S = 0.5
"""How long a client waits at most before it looks whether it is still wanted."""

Hear = Callable[[Subject], Iterator[list[int]]]
"""Gives the numbers of messages as they come. First an empty list: now it listens; later ones
are signs of life."""


def by_listen(subject: Subject) -> Iterator[list[int]]:
    """Hear notifications."""
    with connect(subject.server, "bench") as connection:
        connection.execute(_LISTEN.encode())
        yield []
        while True:
            for notification in connection.notifies(timeout=_AGAIN_S, stop_after=1):
                yield [int(notification.payload)]
            yield []


def by_polls(subject: Subject) -> Iterator[list[int]]:
    """Hear Electric by requests that it answers when there is something."""
    with _client(subject) as client:
        place = _now(client, subject)
        yield []
        while True:
            answer = _checked(client.get("/v1/shape", params=subject.query | place))
            place |= _place(answer) | {"cursor": answer.headers["electric-cursor"]}
            yield _numbers(answer.json())


def by_events(subject: Subject) -> Iterator[list[int]]:
    """Hear Electric by a stream of events, and by the next one when that ends."""
    with _client(subject) as client:
        place = _now(client, subject)
        while True:
            query = subject.query | place | {"live_sse": "true"}
            with client.stream("GET", "/v1/shape", params=query) as stream:
                _checked(stream)
                place["cursor"] = stream.headers["electric-cursor"]
                yield []
                for message in _messages(stream):
                    if message["headers"].get("control") == "up-to-date":
                        place["offset"] = f"{message['headers']['global_last_seen_lsn']}_0"
                    yield _numbers([message])


CLIENTS: dict[str, Hear] = {LISTEN: by_listen, POLLS: by_polls, EVENTS: by_events}


def _client(subject: Subject) -> httpx.Client:
    return httpx.Client(base_url=subject.url, timeout=_READ_S, trust_env=False)


def _now(client: httpx.Client, subject: Subject) -> dict[str, str]:
    """Return what to ask for what comes from now on."""
    answer = _checked(client.get("/v1/shape", params=subject.query | {"offset": "now"}))
    return _place(answer) | {"live": "true"}


def _place(answer: httpx.Response) -> dict[str, str]:
    return {
        "handle": answer.headers["electric-handle"],
        "offset": answer.headers["electric-offset"],
    }


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != httpx.codes.OK:
        raise SessionbaseError(
            ExitCode.FAILED, f"Electric answered {answer.status_code} in the middle of a shape"
        )
    return answer


def _messages(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def _numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [
        int(message["value"]["content"])
        for message in messages
        if message["headers"].get("operation") == "insert"
    ]
