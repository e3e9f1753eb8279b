"""Makes messages for clients of rows, as Electric writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.embedded.electric.pgoutput import Row, Transaction
from harness.embedded.electric.tables import Definition

Message = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One change and what it means for a shape: was the row in it before, is it now."""

    position: int
    old: Row | None
    new: Row | None


def key_of(definition: Definition, row: Row) -> str:
    """Name a row: table and primary key, each part quoted, slashes in values doubled."""
    table = definition.table
    parts = [f"{_quoted(table.schema)}.{_quoted(table.name)}"]
    for name in table.key:
        value = row[name]
        parts.append("_" if value is None else '"' + value.replace("/", "//") + '"')
    return "/".join(parts)


def snapshot_message(definition: Definition, row: Row, mark: int | None = None) -> Message:
    """Tell of a row that was there when the snapshot was taken."""
    headers: dict[str, Any] = {"relation": _relation(definition), "operation": "insert"}
    if mark is not None:
        headers["snapshot_mark"] = mark
    return {
        "key": key_of(definition, row),
        "value": _projected(definition, row),
        "headers": headers,
    }


def change_messages(
    definition: Definition, transaction: Transaction, steps: list[Step]
) -> list[tuple[int, Message]]:
    """Tell what a transaction did to a shape, each message with its position in it."""
    messages = [numbered for step in steps for numbered in _messages(definition, step)]
    for position, message in messages:
        operation = message.pop("operation")
        message["headers"] = {
            "relation": _relation(definition),
            "operation": operation,
            "lsn": str(transaction.lsn),
            "op_position": position,
            "txids": [transaction.xid],
            **message.pop("more", {}),
        }
    if messages:
        messages[-1][1]["headers"] |= {"last": True}
    return messages


def _messages(definition: Definition, step: Step) -> Iterator[tuple[int, Message]]:
    """Tell of one change. A row that moves in is an insert, one that moves out a delete."""
    old, new, position = step.old, step.new, step.position
    if old is None and new is not None:
        yield position, _inserted(definition, new)
    elif old is not None and new is None:
        yield position, _deleted(definition, old)
    elif old is not None and new is not None:
        keys = key_of(definition, old), key_of(definition, new)
        if keys[0] == keys[1]:
            updated = _updated(definition, old, new)
            if updated:
                yield position, updated
        else:
            yield position, _deleted(definition, old) | {"more": {"key_change_to": keys[1]}}
            yield position + 1, _inserted(definition, new) | {"more": {"key_change_from": keys[0]}}


def _inserted(definition: Definition, row: Row) -> Message:
    return {
        "value": _projected(definition, row),
        "key": key_of(definition, row),
        "operation": "insert",
    }


def _deleted(definition: Definition, row: Row) -> Message:
    whole = definition.replica == "full"
    names = definition.columns if whole else definition.table.key
    return {
        "value": {name: row[name] for name in sorted(names)},
        "key": key_of(definition, row),
        "operation": "delete",
    }


def _updated(definition: Definition, old: Row, new: Row) -> Message | None:
    """Tell of an update; of nothing, if it touched no column of the shape."""
    changed = [name for name in definition.columns if old[name] != new[name]]
    if not changed:
        return None
    message: Message = {"key": key_of(definition, new), "operation": "update"}
    if definition.replica == "full":
        message["value"] = _projected(definition, new)
        message["old_value"] = {name: old[name] for name in changed}
    else:
        message["value"] = {name: new[name] for name in sorted({*changed, *definition.table.key})}
    return message


def _projected(definition: Definition, row: Row) -> Row:
    return {name: row[name] for name in definition.columns}


def _relation(definition: Definition) -> list[str]:
    return [definition.table.schema, definition.table.name]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
