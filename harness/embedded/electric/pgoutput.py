"""Reads the messages of Postgres' output plugin pgoutput, protocol version 1.

Transactions come one after another, each whole at its commit.
"""

import struct
from dataclasses import dataclass, field

Row = dict[str, str | None]
"""A row as Postgres writes it: every value a text, or null."""

_IDENTITY_FULL = ord("f")


@dataclass(frozen=True)
class Relation:
    """A table as it was when a change was made. columns: name and type of each."""

    oid: int
    columns: tuple[tuple[str, int], ...]
    has_whole_old_rows: bool


@dataclass(frozen=True)
class Change:
    """A row inserted (no old one), updated, or deleted (no new one)."""

    relation: Relation
    old: Row | None
    new: Row | None


@dataclass
class Transaction:
    """What one transaction changed, in order. lsn is where its commit is in the log."""

    xid: int
    lsn: int
    changes: list[Change] = field(default_factory=list)
    truncated: set[int] = field(default_factory=set)


class _Buffer:
    """Reads one message from left to right."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        """Whether the message has been read to its end."""
        return self._at >= len(self._data)

    def number(self, form: str) -> int:
        """Read a big-endian number of a form that struct knows."""
        value: int
        (value,) = struct.unpack_from(f">{form}", self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def byte(self) -> str:
        return chr(self.number("B"))

    def text(self, length: int) -> str:
        self._at += length
        return self._data[self._at - length : self._at].decode()

    def name(self) -> str:
        text = self.text(self._data.index(0, self._at) - self._at)
        self._at += 1
        return text


class Decoder:
    """Puts messages together to transactions."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}
        self._open: Transaction | None = None

    @property
    def is_between_transactions(self) -> bool:
        """Whether everything that came has been handed out."""
        return self._open is None

    def feed(self, message: bytes) -> Transaction | None:
        """Take a message; return the transaction that it ends."""
        buffer = _Buffer(message)
        kind = buffer.byte()
        if kind == "B":
            lsn, _, xid = buffer.number("Q"), buffer.number("q"), buffer.number("I")
            self._open = Transaction(xid, lsn)
        elif kind == "R":
            relation = _read_relation(buffer)
            self._relations[relation.oid] = relation
        elif kind == "C":
            ended, self._open = self._open, None
            return ended
        elif self._open and kind in "IUD":
            self._open.changes.append(self._read_change(buffer))
        elif self._open and kind == "T":
            count, _ = buffer.number("I"), buffer.number("B")
            self._open.truncated.update(buffer.number("I") for _ in range(count))
        # Origins and descriptions of types tell nothing that is needed.
        return None

    def _read_change(self, buffer: _Buffer) -> Change:
        relation = self._relations[buffer.number("I")]
        names = [name for name, _ in relation.columns]
        old: Row | None = None
        new: Row | None = None
        part = buffer.byte()
        if part in "OK":
            old, part = _read_row(buffer, names, None), ""
            if not buffer.is_empty:
                part = buffer.byte()
        if part == "N":
            new = _read_row(buffer, names, old)
        return Change(relation, old, new)


def _read_relation(buffer: _Buffer) -> Relation:
    oid, _, _ = buffer.number("I"), buffer.name(), buffer.name()
    identity = buffer.number("B")
    columns = []
    for _ in range(buffer.number("H")):
        _flags, name, type_oid, _modifier = (
            buffer.number("B"),
            buffer.name(),
            buffer.number("I"),
            buffer.number("i"),
        )
        columns.append((name, type_oid))
    return Relation(oid, tuple(columns), has_whole_old_rows=identity == _IDENTITY_FULL)


def _read_row(buffer: _Buffer, names: list[str], old: Row | None) -> Row:
    row: Row = {}
    count = buffer.number("H")
    for name in names[:count]:
        kind = buffer.byte()
        if kind == "t":
            row[name] = buffer.text(buffer.number("I"))
        elif kind == "u" and old is not None:
            # A large value that the update left alone is not sent again; the old row has it.
            row[name] = old[name]
        else:
            row[name] = None
    return row
