"""A client that follows a shape and believes nothing: every message must fit what it has."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.py.electric.electrics import Electric

Row = dict[str, str | None]
_CONFLICT = 409
_PATIENCE_S = 60


@dataclass
class Follower:
    """Rows of a shape by their keys, as the log has made them."""

    electric: Electric
    definition: dict[str, str]
    booleans: frozenset[str] = frozenset({"done"})
    rows: dict[str, Row] = field(default_factory=dict)
    rotations: int = 0
    handle: str = ""
    _offset: str = "-1"
    _is_live: bool = False
    _lsn: int = 0
    _told: set[int] = field(default_factory=set)

    def follow(self, until: Callable[[dict[str, Row]], bool]) -> "Follower":
        """Follow until the rows are as they should be in the end."""
        ends_at = time.monotonic() + _PATIENCE_S
        with self.electric.client() as client:
            while not until(self.rows):
                assert time.monotonic() < ends_at, "what was waited for did not come"
                self.step(client)
        return self

    def step(self, client: httpx.Client) -> None:
        """Ask once and apply the answer."""
        query = self.definition | {"secret": self.electric.secret, "offset": self._offset}
        if self._offset != "-1":
            query |= {"handle": self.handle}
        if self._is_live:
            query |= {"live": "true"}
        response = client.get("/v1/shape", params=query)
        if response.status_code == _CONFLICT:
            assert response.json() == [{"headers": {"control": "must-refetch"}}]
            self.rotations += 1
            self._begin()
            return
        assert response.status_code == httpx.codes.OK, response.text
        self.handle = response.headers["electric-handle"]
        self._offset = response.headers["electric-offset"]
        self._apply(response.json())
        self._is_live = "electric-up-to-date" in response.headers

    def _begin(self) -> None:
        self.rows, self._told, self._lsn = {}, set(), 0
        self.handle, self._offset, self._is_live = "", "-1", False

    def _apply(self, messages: list[dict[str, Any]]) -> None:
        told_now = set()
        for message in messages:
            headers = message["headers"]
            if "control" in headers:
                continue
            if "lsn" in headers:
                assert int(headers["lsn"]) >= self._lsn, "transactions came out of order"
                self._lsn = int(headers["lsn"])
                told_now.update(headers["txids"])
            self._change(message["key"], headers["operation"], message)
        assert not told_now & self._told, "a transaction came in parts"
        self._told |= told_now

    def _change(self, key: str, operation: str, message: dict[str, Any]) -> None:
        value = {name: self._plain(name, one) for name, one in message["value"].items()}
        if operation == "insert":
            assert key not in self.rows, f"{key} was inserted twice"
            self.rows[key] = value
            return
        assert key in self.rows, f"{operation} of {key}, which was never inserted"
        for name, one in message.get("old_value", {}).items():
            assert self.rows[key][name] == self._plain(name, one), "an old value is not the old one"
        if operation == "delete":
            del self.rows[key]
        else:
            self.rows[key] |= value

    def _plain(self, name: str, value: str | None) -> str | None:
        """Write a boolean as snapshots do; the stream has another form of it."""
        return (
            {"t": "true", "f": "false"}.get(value or "", value) if name in self.booleans else value
        )
