"""Writers that try again, and clients that follow: many, in one process and on one event loop.

Everything goes through the gatekeeper, as an application's requests do.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from time import perf_counter
from typing import Any

import aiohttp

from harness.testing.shape_log import ShapeRows, WrongLogError

SHAPE = "session_messages"
_ANSWER_S = 30
_PAUSE_S = (0.05, 1.0)
_ONCE_MORE = 0.02
"""How many writes are sent again though they were acknowledged, as by one who lost the answer."""

_MAY_PASS = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY}


@dataclass
class Ledger:
    """What was written and what came. Times are of perf_counter().

    sent: when each write was first sent, by its client_message_id. acknowledged: the id that the
    database gave it. came_s: seconds from sending to each client that had it. counts: of retries.
    """

    sent: dict[str, float] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    write_s: list[float] = field(default_factory=list)
    came_s: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """Where it is played: the gatekeeper's address, and the sessions."""

    url: str
    sessions: tuple[str, ...]
    booleans: frozenset[str]
    http: aiohttp.ClientSession
    ledger: Ledger


def open_http() -> aiohttp.ClientSession:
    """Return a client for as many connections as are wanted."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_read=_ANSWER_S),
        trust_env=False,
    )


class Writer:
    """Appends messages, one behind the other, each until it is acknowledged."""

    def __init__(self, stage: Stage, number: int, every_s: float) -> None:
        self._stage = stage
        self._name = f"soak-{number}"
        self._every_s = every_s
        self._dice = random.Random(number)  # noqa: S311 - no secret

    async def run(self, stopped: asyncio.Event) -> None:
        """Write until it is told to stop, and end what was begun."""
        begins_at = perf_counter() + self._dice.uniform(0, self._every_s)
        written = 0
        while not await _stopped_by(stopped, begins_at):
            written += 1
            await self._write(f"{self._name}-{written}")
            # Who is late does not make up for it: what is measured is a rate, and no burst.
            begins_at = max(begins_at + self._every_s, perf_counter())

    async def _write(self, known_as: str) -> None:
        ledger = self._stage.ledger
        body = {
            "session_id": self._dice.choice(self._stage.sessions),
            "role": "user",
            "content": f"{known_as} {'text ' * self._dice.randrange(40)}",
            "client_message_id": known_as,
        }
        ledger.sent[known_as] = began = perf_counter()
        row = await self.until_done(body)
        ledger.write_s.append(perf_counter() - began)
        ledger.acknowledged[known_as] = row["id"]
        if self._dice.random() < _ONCE_MORE:
            ledger.counts["sent again though acknowledged"] += 1
            again = await self.until_done(body)
            if again["id"] != row["id"]:
                ledger.faults.append(f"{known_as}, sent again, was given another id")

    async def until_done(self, body: dict[str, str]) -> dict[str, Any]:
        """Write until it is acknowledged; return the row."""
        pause = _PAUSE_S[0]
        while True:
            try:
                url = f"{self._stage.url}/rpc/append_message"
                async with self._stage.http.post(url, json=body) as answer:
                    if answer.status == HTTPStatus.OK:
                        row: dict[str, Any] = await answer.json()
                        return row
                    _check_may_pass(answer.status)
                    self._stage.ledger.counts[f"write answered {answer.status}"] += 1
            except (aiohttp.ClientConnectionError, TimeoutError):
                self._stage.ledger.counts["write without an answer"] += 1
            await asyncio.sleep(pause * self._dice.uniform(0.5, 1))
            pause = min(pause * 2, _PAUSE_S[1])


class Client:
    """Follows the messages of a session by shape tokens, and believes nothing."""

    def __init__(self, stage: Stage, session_id: str) -> None:
        self.session_id = session_id
        self.rows = ShapeRows(stage.booleans)
        self.caught_up = asyncio.Event()
        self._stage = stage
        self._place = {"offset": "-1"}
        self._token = ""
        self._had: set[str] = set()

    async def run(self, stopped: asyncio.Event, is_done: Callable[["Client"], bool]) -> None:
        """Follow until it is told to stop and has all that it should."""
        while not (stopped.is_set() and is_done(self)):
            try:
                await self._step()
            except (aiohttp.ClientConnectionError, TimeoutError):
                self._stage.ledger.counts["poll without an answer"] += 1
                await asyncio.sleep(_PAUSE_S[0])
            except WrongLogError as error:
                self._stage.ledger.faults.append(f"a client of {self.session_id}: {error}")
                self._begin()

    async def _step(self) -> None:
        if not self._token:
            await self._ask_token()
            return
        headers = {"authorization": f"Bearer {self._token}"}
        url = f"{self._stage.url}/v1/shape"
        async with self._stage.http.get(url, params=self._place, headers=headers) as answer:
            if answer.status == HTTPStatus.OK:
                self.take(await answer.json(), answer)
            elif answer.status == HTTPStatus.CONFLICT:
                self._stage.ledger.counts["shape begun anew (409)"] += 1
                self._begin()
            elif answer.status == HTTPStatus.UNAUTHORIZED:
                self._stage.ledger.counts["token renewed"] += 1
                self._token = ""
            else:
                await self._wait_for(answer.status, "poll")

    async def _ask_token(self) -> None:
        order = {"shape": SHAPE, "session_id": self.session_id}
        url = f"{self._stage.url}/v1/shape-tokens"
        async with self._stage.http.post(url, json=order) as answer:
            if answer.status == HTTPStatus.OK:
                self._token = str((await answer.json())["token"])
            else:
                await self._wait_for(answer.status, "token")

    async def _wait_for(self, status: int, what: str) -> None:
        _check_may_pass(status)
        self._stage.ledger.counts[f"{what} answered {status}"] += 1
        await asyncio.sleep(_PAUSE_S[1])

    def take(self, messages: list[dict[str, Any]], answer: aiohttp.ClientResponse) -> None:
        """Take what an answer says. Raises WrongLogError."""
        now, ledger = perf_counter(), self._stage.ledger
        is_new = "live" in self._place
        self.rows.apply(messages)
        for message in messages:
            known_as = message.get("value", {}).get("client_message_id")
            if known_as is None or known_as in self._had:
                continue
            self._had.add(known_as)
            # What a client begins with, it did not wait for.
            if is_new and known_as in ledger.sent:
                ledger.came_s.append(now - ledger.sent[known_as])
        names = {
            "handle": "electric-handle",
            "offset": "electric-offset",
            "cursor": "electric-cursor",
        }
        self._place |= {
            key: answer.headers[name] for key, name in names.items() if name in answer.headers
        }
        if "electric-up-to-date" in answer.headers:
            self._place["live"] = "true"
            self.caught_up.set()

    def _begin(self) -> None:
        self.rows.begin()
        self._place = {"offset": "-1"}


def _check_may_pass(status: int) -> None:
    if status not in _MAY_PASS:
        raise UnexpectedAnswerError(f"the gatekeeper answered {status}")


class UnexpectedAnswerError(Exception):
    """An answer that no retry makes good."""


async def _stopped_by(stopped: asyncio.Event, at: float) -> bool:
    """Wait until a time, or until it is told to stop; say whether it was."""
    try:
        async with asyncio.timeout(max(at - perf_counter(), 0)):
            await stopped.wait()
    except TimeoutError:
        return stopped.is_set()
    return True
