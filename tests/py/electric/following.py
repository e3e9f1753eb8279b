"""A client that follows a shape and believes nothing: every message must fit what it has."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from harness.testing.shape_log import Row, ShapeRows
from tests.py.electric.electrics import Electric

_CONFLICT = 409
_PATIENCE_S = 60


@dataclass
class Follower:
    """Follows an Electric, and has the rows that its log made."""

    electric: Electric
    definition: dict[str, str]
    log: ShapeRows = field(default_factory=lambda: ShapeRows(frozenset({"done"})))
    rotations: int = 0
    handle: str = ""
    _offset: str = "-1"
    _is_live: bool = False

    @property
    def rows(self) -> dict[str, Row]:
        """The rows by their keys."""
        return self.log.rows

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
        self.log.apply(response.json())
        self._is_live = "electric-up-to-date" in response.headers

    def _begin(self) -> None:
        self.log.begin()
        self.handle, self._offset, self._is_live = "", "-1", False
