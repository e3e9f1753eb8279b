"""Every recorded scenario, played against an Electric: it answers as the real one did."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from harness.connections import Connection
from tests.py.electric.electrics import Electric
from tests.py.electric.recordings import Names, scenarios

_PATIENCE_S = 5.0
_HEAD_START_S = 0.5
_TOLERANCE_S = 1.5
_ALL = scenarios()


@pytest.mark.parametrize("scenario", _ALL, ids=[one["scenario"] for one in _ALL])
def test_it_answers_as_recorded(
    scenario: dict[str, Any], electric: Electric, ask: httpx.Client, table: Connection
) -> None:
    player = Player(ask, electric.secret, table)
    for step in scenario["steps"]:
        if "sql" in step:
            table.execute(step["sql"])
        else:
            assert player.play(step) == step["answer"]


@dataclass
class Player:
    """Plays steps of one scenario."""

    ask: httpx.Client
    secret: str
    table: Connection
    names: Names = field(default_factory=Names)

    def play(self, step: dict[str, Any]) -> dict[str, Any]:
        """Ask what was asked; return the answer as the recordings have it."""
        request = self._request(step["ask"])
        if "events" in step["answer"]:
            return self._follow(request, step)
        if "meanwhile" in step:
            return self._written(self._ask_and_write(request, step["meanwhile"]))
        began = time.monotonic()
        response = self.ask.send(request)
        seconds = time.monotonic() - began
        while _is_behind(response, step["answer"]) and time.monotonic() < began + _PATIENCE_S:
            # The stream from Postgres takes a moment, and who does not wait may be too early.
            response = self.ask.send(self._request(step["ask"]))
        answer = self._written(response)
        recorded = step["answer"].get("seconds")
        if recorded and abs(seconds - recorded) < _TOLERANCE_S:
            answer["seconds"] = recorded
        return answer

    def _request(self, asked: dict[str, Any]) -> httpx.Request:
        query = [(name, value) for name, value in self.names.read(asked["query"])]
        if asked.get("secret", True):
            query.append(("secret", self.secret))
        return self.ask.build_request(
            asked["method"],
            asked["path"],
            params=httpx.QueryParams(query),
            headers=self.names.read(asked.get("headers", {})),
            json=asked.get("body"),
        )

    def _ask_and_write(self, request: httpx.Request, statements: list[str]) -> httpx.Response:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(self.ask.send, request)
            # The request has to be there first, as it was when this was recorded.
            time.sleep(_HEAD_START_S)
            for statement in statements:
                self.table.execute(statement)
            return waiting.result()

    def _follow(self, request: httpx.Request, step: dict[str, Any]) -> dict[str, Any]:
        """Read as many events as were recorded, writing each row when the one before is here."""
        events: list[Any] = []
        statements = iter(step["meanwhile"])
        response = self.ask.send(request, stream=True)
        with closing(response):
            lines = response.iter_lines()
            while len(events) < len(step["answer"]["events"]):
                if len(events) % 2 == 0:
                    self.table.execute(next(statements))
                line = next(line for line in lines if line.startswith("data: "))
                events.append(json.loads(line.removeprefix("data: ")))
                if len(events) % 2 == 1:
                    line = next(line for line in lines if line.startswith("data: "))
                    events.append(json.loads(line.removeprefix("data: ")))
            headers = self.names.headers(dict(response.headers))
            return {
                "status": response.status_code,
                "headers": headers,
                "events": self.names.write(events),
            }

    def _written(self, response: httpx.Response) -> dict[str, Any]:
        headers = self.names.headers(dict(response.headers))
        try:
            body = response.json()
        except ValueError:
            body = response.text
        return {
            "status": response.status_code,
            "headers": headers,
            "body": self.names.write(body),
        }


def _is_behind(response: httpx.Response, recorded: dict[str, Any]) -> bool:
    is_log = response.is_success and isinstance(recorded["body"], list)
    return is_log and len(response.json()) < len(recorded["body"])
