"""Snapshots as hypothesis draws them: most records fine, some odd in every way JSON allows."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from harness.legacy.steps import FILES
from tests.py.legacy.builders import BUILDERS, time

Snapshot = dict[str, list[bytes]]
"""The elements of each file, by kind."""

names = st.sampled_from(["a", "b", "c", "d"])
sessions = st.sampled_from(["s", "s", "t"])
modes = st.sampled_from(["session", "session", "general"])
times = st.one_of(
    st.builds(time, st.integers(0, 20)),
    st.sampled_from(
        [
            "2025-11-03T00:05:07.125+01:00",
            "2025-11-03T00:05:07Z",
            "2025-11-03T00:05:07.1234Z",
            "0001-01-01T00:00:00.000+05:00",
            "9999-12-31T23:59:59.999999-15:00",
        ]
    ),
)
usual_times = st.builds(time, st.integers(0, 20))
odd_strings = st.sampled_from(
    [
        '""',
        '"plain"',
        '"\\u0000"',
        '"half \\ud83c"',
        '"\\udf0a\\ud83c"',
        '"\\ud83c\\udf0a"',
        '"🌊\\u2028\\n\\"\\\\u0000"',
        '"\\u001f\x7f"',
    ]
)
numbers = st.sampled_from(
    [
        "0",
        "-0",
        "-0.0",
        "1.10",
        "1e2",
        "1.50E+1",
        "0e5",
        "1E400",
        "1e131072",
        "1e-16384",
        "-1e99999999999999999999",
        "12345678901234567890.123456789",
    ]
)
words = st.sampled_from(["null", "true", "false"])


def _array(items: list[str]) -> str:
    return f"[{' ,'.join(items)}]"


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in members) + "}"


keys = st.sampled_from(['"x"', '"y"', '"extra"', '"*"', '"path"', '"\\u0000"', '"\\ud800"', '""'])
values = st.recursive(
    st.one_of(odd_strings, numbers, words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(_array),
        st.lists(st.tuples(keys, inner), max_size=3).map(_object),
    ),
    max_leaves=4,
)
"""JSON texts of any value; an object can have a name twice."""

items = st.lists(
    st.one_of(
        st.just('{"path": "a.py", "label": "a"}'),
        st.just('{"eventIndex": 0, "displayIndex": 1.0, "eventType": "e", "summary": ""}'),
        values,
    ),
    max_size=2,
).map(_array)


def spelled(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    """Give the JSON texts of values."""
    return strategy.map(json.dumps)


absent = st.just("")
"""As the text of a field's value: the record does not have it."""

FIELDS: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "threads": {
        "id": spelled(names),
        "sessionId": spelled(sessions),
        "mode": spelled(modes),
        "title": odd_strings,
        "status": spelled(st.sampled_from(["active", "archived"])),
        "messageCount": st.one_of(spelled(st.integers(0, 3)), st.just("1.0")),
        "lastMessagePreview": st.one_of(absent, odd_strings),
        "lastMessageAt": st.one_of(absent, spelled(times)),
        "createdAt": spelled(usual_times),
        "updatedAt": spelled(times),
    },
    "messages": {
        "id": spelled(names),
        "sessionId": spelled(sessions),
        "mode": spelled(modes),
        "threadId": st.one_of(spelled(names), spelled(names), absent),
        "content": odd_strings,
        "clientMessageId": st.one_of(absent, st.sampled_from(['"x"', '"y"', '"\\u0000"'])),
        "misalignmentId": st.one_of(absent, odd_strings),
        "evidence": st.one_of(absent, items),
        "contextEvents": st.one_of(absent, items),
        "createdAt": spelled(usual_times),
        "updatedAt": spelled(times),
    },
    "tool_events": {
        "id": spelled(names),
        "sessionId": spelled(sessions),
        "threadId": st.one_of(spelled(names), st.just("null"), absent),
        "toolCallId": st.one_of(odd_strings, st.just("null"), absent),
        "toolName": odd_strings,
        "arguments": st.one_of(absent, values),
        "result": st.one_of(absent, values),
        "error": st.one_of(absent, odd_strings),
        "startedAt": spelled(usual_times),
        "latencyMs": st.one_of(absent, spelled(st.integers(0, 5)), st.just("1e2")),
        "contextEvents": st.one_of(absent, items),
    },
}


@st.composite
def records(draw: st.DrawFn, kind: str) -> bytes:
    """Give a record of a kind, with some fields odd, unknown or twice there."""
    fields = {name: json.dumps(value) for name, value in BUILDERS[kind]().items()}
    for name, strategy in FIELDS[kind].items():
        fields[name] = draw(strategy)
    if kind == "tool_events" and draw(st.booleans()):
        fields |= {"status": '"failed"', "completedAt": json.dumps(draw(times))}
    if draw(st.integers(0, 3)) == 0:
        fields[draw(st.sampled_from(list(fields)))] = draw(st.one_of(st.just("null"), values))
    members = [(json.dumps(name), value) for name, value in fields.items() if value]
    members += draw(st.lists(st.tuples(keys, values), max_size=2))
    if draw(st.integers(0, 9)) == 0:
        members.append((draw(st.sampled_from(members))[0], draw(values)))
    return _object(members).encode()


@st.composite
def clean_records(draw: st.DrawFn, kind: str) -> bytes:
    """Give a record as the viewer wrote it."""
    record = BUILDERS[kind](id=draw(st.uuids()).hex)
    if kind == "messages":
        record["content"] = draw(st.text(max_size=20))
    return json.dumps(record).encode()


broken = st.sampled_from([b"5", b'"text"', b"{]", b"NaN", b"[]", b'{"id": "a"}', b"\xff"])


@st.composite
def files(draw: st.DrawFn, kind: str) -> list[bytes]:
    """Give the elements of a file, with twins among them."""
    one = st.one_of(*[records(kind)] * 6, clean_records(kind), broken)
    elements = draw(st.lists(one, max_size=6))
    has_twin = draw(st.booleans())
    if elements and has_twin:
        twin = draw(st.sampled_from(elements))
        elements.insert(draw(st.integers(0, len(elements))), twin)
    return elements


snapshots = st.fixed_dictionaries({kind: files(kind) for kind in FILES})
clean_snapshots = st.fixed_dictionaries(
    {kind: st.lists(clean_records(kind), max_size=4) for kind in FILES}
)


def value_of(raw: bytes) -> object:
    """Return a JSON value with all digits of its numbers. Raises ValueError if it is none."""
    return json.loads(
        raw.decode(), parse_int=_exact, parse_float=_exact, parse_constant=_no_constant
    )


def _exact(text: str) -> Decimal | str:
    # Beyond Decimal's exponents a number is told by its digits.
    return Decimal(text) if len(text.lower().partition("e")[2]) < 18 else f"number {text}"


def _no_constant(name: str) -> None:
    raise ValueError(name)


def is_json(raw: bytes) -> bool:
    """Say whether bytes are a JSON value."""
    try:
        value_of(raw)
    except ValueError:
        return False
    return True
