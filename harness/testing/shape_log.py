"""What a client makes of a shape's log, believing nothing: every message must fit what it has."""

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, str | None]


class WrongLogError(AssertionError):
    """A message that can't be true after those that came before it."""


@dataclass
class ShapeRows:
    """Rows of a shape by their keys, as the log has made them.

    booleans: columns of type boolean, of which the stream has another form than snapshots.
    """

    booleans: frozenset[str] = frozenset()
    rows: dict[str, Row] = field(default_factory=dict)
    _lsn: int = 0
    _told: set[int] = field(default_factory=set)

    def begin(self) -> None:
        """Forget everything: the shape begins anew."""
        self.rows, self._told, self._lsn = {}, set(), 0

    def apply(self, messages: list[dict[str, Any]]) -> None:
        """Apply one answer. Raises WrongLogError; messages before the wrong one are applied."""
        told_now: set[int] = set()
        for message in messages:
            headers = message["headers"]
            if "control" in headers:
                continue
            if "lsn" in headers:
                _need(int(headers["lsn"]) >= self._lsn, "transactions came out of order")
                self._lsn = int(headers["lsn"])
                told_now.update(headers["txids"])
            self._change(message["key"], headers["operation"], message)
        _need(not told_now & self._told, "a transaction came in parts")
        self._told |= told_now

    def _change(self, key: str, operation: str, message: dict[str, Any]) -> None:
        value = {name: self._plain(name, one) for name, one in message["value"].items()}
        if operation == "insert":
            _need(key not in self.rows, f"{key} was inserted twice")
            self.rows[key] = value
            return
        _need(key in self.rows, f"{operation} of {key}, which was never inserted")
        for name, one in message.get("old_value", {}).items():
            is_old = self.rows[key][name] == self._plain(name, one)
            _need(is_old, "an old value is not the old one")
        if operation == "delete":
            del self.rows[key]
        else:
            self.rows[key] |= value

    def _plain(self, name: str, value: str | None) -> str | None:
        """Write a boolean as snapshots do; the stream has another form of it."""
        return (
            {"t": "true", "f": "false"}.get(value or "", value) if name in self.booleans else value
        )


def _need(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise WrongLogError(otherwise)
