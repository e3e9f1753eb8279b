"""A corpus of damage: small snapshots, each hurt in one way, and what must come of every record.

The whole snapshot has three records a file. Most kinds of damage are done to the one in the
middle, so that the neighbours show that it cost nothing else. Many are done to a tool event, on
which nothing depends; a message that is kept out makes its thread say another count.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from harness.errors import ExitCode
from tests.py.legacy.builders import (
    ABSENT,
    OTHER_SESSION,
    Fates,
    Record,
    finished,
    message,
    thread,
    thread_of,
    time,
    tool_event,
)


@dataclass(frozen=True)
class Fate:
    """What becomes of one record.

    field: None where it is not to be checked. sqlstate: what Postgres answers.
    """

    fate: str
    reason: str | None = None
    field: str | None = None
    sqlstate: str | None = None


UNCHANGED: Final = Fate("unchanged")


def kept_out(reason: str, at_fault: str | None = None, sqlstate: str | None = None) -> Fate:
    """Return the fate of a record that is quarantined."""
    return Fate("quarantined", reason, at_fault, sqlstate)


def mended(reason: str, at_fault: str | None = None) -> Fate:
    """Return the fate of a record that comes in mended."""
    return Fate("adopted", reason, at_fault)


BAD_SYNTAX: Final = kept_out("not_json", sqlstate="22P02")
BAD_BYTES: Final = kept_out("not_json", sqlstate="22021")
TOO_DEEP: Final = kept_out("not_json", sqlstate="54001")
DAMAGED: Final = kept_out("damaged")
CUT_OFF: Final = kept_out("cut_off")
AFTER_END: Final = kept_out("after_end")
NO_OBJECT: Final = kept_out("not_an_object")
NO_ID: Final = kept_out("missing", "id")
OTHER_CONTENT: Final = kept_out("duplicate_id", "id")
DERIVED: Final = mended("derived_from_messages")


@dataclass(frozen=True)
class Outcome:
    """What becomes of a file: how many records it has, and the fate of those not just imported.

    fates: by the record's place in the file, from 0.
    faults: what is said of the file as a whole, in order.
    """

    read: int
    fates: dict[int, Fate] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    @property
    def counts(self) -> Fates:
        """How many records end how."""
        ends = [fate.fate for fate in self.fates.values()]
        return Fates(
            read=self.read,
            imported=self.read - len(ends),
            unchanged=ends.count("unchanged"),
            adopted=ends.count("adopted"),
            quarantined=ends.count("quarantined"),
        )

    @property
    def reasons(self) -> list[str]:
        """Why records were mended or kept out, in the order of the file."""
        return [fate.reason for _, fate in sorted(self.fates.items()) if fate.reason]


@dataclass(frozen=True)
class Damage:
    """A damaged snapshot.

    files: the files' bytes by kind; a kind that is not there has no file.
    expect: what becomes of each kind; or what the import must refuse the snapshot with.
    """

    name: str
    files: dict[str, bytes]
    expect: dict[str, Outcome] | ExitCode


WHOLE: Final = Outcome(3)
THREAD_COUNTS_LESS: Final = Outcome(3, {0: DERIVED})

MESSAGES: Final = [
    message(id="chat_1", createdAt=time(2), updatedAt=time(2)),
    message(
        id="chat_2",
        role="assistant",
        content='The third: {"type": "error"}, it says "né 🌊".',
        clientMessageId="client_2",
        evidence=[{"path": "build.log", "severity": "high"}, {"label": "here"}],
        contextEvents=[
            {"eventIndex": 2, "displayIndex": 3, "eventType": "message", "summary": "it broke"}
        ],
        createdAt=time(4),
        updatedAt=time(5),
    ),
    message(id="chat_3", content="Thank you.", createdAt=time(6), updatedAt=time(6)),
]
THREADS: Final = [
    thread_of(MESSAGES, updatedAt=time(9)),
    thread(id="thread_2", mode="general", title="General", status="archived"),
    thread(id="thread_3", sessionId=OTHER_SESSION),
]
TOOL_EVENTS: Final = [
    tool_event(),
    finished(
        id="tool_2",
        toolCallId="call_2",
        arguments={"path": "a.py", "lines": [1, 2]},
        result={"text": "x = 1\n", "parts": [{"n": 1}, {"n": 2}]},
        latencyMs=60_000,
    ),
    tool_event(id="tool_3", threadId=None, toolCallId=None, status="pending"),
]
SNAPSHOT: Final[dict[str, list[Record]]] = {
    "threads": THREADS,
    "messages": MESSAGES,
    "tool_events": TOOL_EVENTS,
}
SINGULAR: Final = {"threads": "thread", "messages": "message", "tool_events": "tool_event"}

Spelling = Callable[[list[Record]], bytes]


def as_viewer(records: Sequence[object]) -> bytes:
    """Spell a file as the viewer does, JSON.stringify(rows, null, 2)."""
    return laid_out([spelled(record) for record in records])


def spelled(record: object) -> bytes:
    """Spell a record as it stands in the viewer's file."""
    text = json.dumps(record, ensure_ascii=False, indent=2)
    return text.replace("\n", "\n  ").encode()


def laid_out(elements: Sequence[bytes]) -> bytes:
    """Return a file in the viewer's layout, of elements as they are."""
    return b"[\n  " + b",\n  ".join(elements) + b"\n]"


def changed(record: Record, **fields: object) -> Record:
    """Return a record with other fields, or without some."""
    return {name: value for name, value in (record | fields).items() if value is not ABSENT}


def once(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace what stands there once."""
    assert data.count(old) == 1, (old, data)
    return data.replace(old, new)


def with_file(name: str, kind: str, data: bytes | None, **expect: Outcome) -> Damage:
    """Return a snapshot with one file of other bytes, or without it."""
    files = {other: as_viewer(records) for other, records in SNAPSHOT.items() if other != kind}
    if data is not None:
        files[kind] = data
    return Damage(name, files, dict.fromkeys(SNAPSHOT, WHOLE) | expect)


def in_middle(name: str, kind: str, element: bytes, fate: Fate | None = None) -> Damage:
    """Return a snapshot with other bytes in place of the second record of a kind."""
    first, _, last = map(spelled, SNAPSHOT[kind])
    expect = {kind: Outcome(3, {1: fate} if fate else {})}
    if kind == "messages" and fate and fate.fate == "quarantined":
        expect["threads"] = THREAD_COUNTS_LESS
    return with_file(name, kind, laid_out([first, element, last]), **expect)


def other_fields(name: str, kind: str, fate: Fate | None, **fields: object) -> Damage:
    """Return a snapshot with other fields in the second record of a kind."""
    return in_middle(name, kind, spelled(changed(SNAPSHOT[kind][1], **fields)), fate)


def other_text(name: str, kind: str, old: bytes, new: bytes, fate: Fate | None) -> Damage:
    """Return a snapshot with another text in the second record of a kind."""
    return in_middle(name, kind, once(spelled(SNAPSHOT[kind][1]), old, new), fate)


def added(name: str, kind: str, element: bytes, fate: Fate | None) -> Damage:
    """Return a snapshot with one more element behind the second record of a kind."""
    first, second, last = map(spelled, SNAPSHOT[kind])
    outcome = Outcome(4, {2: fate} if fate else {})
    return with_file(name, kind, laid_out([first, second, element, last]), **{kind: outcome})


tool = partial(other_text, kind="tool_events")
TOOL_TEXT: Final = b'"id": "tool_2",'
"""The first field of the second tool event, for what is put before it or in its place."""


def member(name: str, text: bytes, fate: Fate | None) -> Damage:
    """Return a snapshot with one more member in the second tool event."""
    return tool(name, old=TOOL_TEXT, new=TOOL_TEXT + b"\n    " + text + b",", fate=fate)


# Fields of records.

REQUIRED: Final = {
    "threads": "id sessionId mode title status createdAt updatedAt",
    "messages": "id sessionId mode role content createdAt updatedAt",
    "tool_events": "id sessionId toolName status startedAt",
}
OPTIONAL_TEXTS: Final = {
    "messages": "clientMessageId misalignmentId threadId",
    "tool_events": "threadId toolCallId error completedAt",
}


def snake(name: str) -> str:
    """Return a JSON field's name for the name of a damage."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def required_fields() -> Iterator[Damage]:
    """Give each field that must be there: absent, null, and of another type."""
    for kind, names in REQUIRED.items():
        for name in names.split():
            about = f"{SINGULAR[kind]}_{{}}_{snake(name)}"
            wrong = kept_out("wrong_type", name)
            missing = kept_out("missing", name)
            yield other_fields(about.format("without"), kind, missing, **{name: ABSENT})
            yield other_fields(about.format("with_null"), kind, wrong, **{name: None})
            yield other_fields(about.format("with_number_as"), kind, wrong, **{name: 5})


def optional_fields() -> Iterator[Damage]:
    """Give fields that may be absent, with values that they can not have."""
    for kind, names in OPTIONAL_TEXTS.items():
        for name in names.split():
            wrong = kept_out("wrong_type", name)
            about = f"{SINGULAR[kind]}_with_list_as_{snake(name)}"
            yield other_fields(about, kind, wrong, **{name: ["x"]})
    for kind, name in [
        ("messages", "evidence"),
        ("messages", "contextEvents"),
        ("tool_events", "contextEvents"),
    ]:
        about = f"{SINGULAR[kind]}_with_text_as_{snake(name)}"
        yield other_fields(about, kind, kept_out("wrong_type", name), **{name: "[]"})


def wrong_values() -> Iterator[Damage]:
    """Give values that are of the right type and not allowed."""
    for kind, name, value in [
        ("threads", "mode", "Session"),
        ("threads", "status", "closed"),
        ("messages", "mode", ""),
        ("messages", "role", "tool"),
        ("tool_events", "status", "done"),
        ("tool_events", "latencyMs", -1),
        ("tool_events", "latencyMs", 1.5),
        ("tool_events", "latencyMs", 10**15),
    ]:
        numbers = {"-1": "negative", "1.5": "a_fraction", str(10**15): "huge"}
        shown = numbers.get(str(value), "another_word")
        about = f"{SINGULAR[kind]}_{snake(name)}_is_{shown}"
        yield other_fields(about, kind, kept_out("wrong_value", name), **{name: value})
    yield other_fields(
        "latency_is_text", "tool_events", kept_out("wrong_type", "latencyMs"), latencyMs="60000"
    )
    for kind, name in [
        ("threads", "id"),
        ("threads", "sessionId"),
        ("messages", "id"),
        ("messages", "threadId"),
        ("messages", "clientMessageId"),
        ("tool_events", "id"),
        ("tool_events", "threadId"),
    ]:
        about, wrong = f"{SINGULAR[kind]}_{snake(name)}", kept_out("wrong_length", name)
        yield other_fields(f"{about}_is_empty", kind, wrong, **{name: ""})
        yield other_fields(f"{about}_is_too_long", kind, wrong, **{name: "é" * 256 + "x"})


NO_TIMES: Final = {
    "without_a_zone": "2025-11-03T10:00:00.000",
    "of_a_day_only": "2025-11-03",
    "in_milliseconds": "1762164007125",
    "in_words": "yesterday",
    "of_a_day_that_is_none": "2025-02-30T10:00:00Z",
    "with_nanoseconds": "2025-11-03T10:00:00.123456789Z",
    "beyond_all_years": "+275760-09-13T00:00:00.000Z",
    "that_is_invalid_date": "Invalid Date",
}
ODD_TIMES: Final = {
    "with_an_offset": "2025-11-03T02:05:00.125+02:00",
    "with_microseconds": "2025-11-03T00:05:00.123456Z",
    "without_fraction": "2025-11-03T00:05:00Z",
    "with_one_digit": "2025-11-03T00:05:00.1Z",
}


def times() -> Iterator[Damage]:
    """Give times that are none, and some that are odd."""
    for about, value in NO_TIMES.items():
        fate = kept_out("not_a_time", "updatedAt")
        yield other_fields(f"thread_time_{about}", "threads", fate, updatedAt=value)
    for kind, name in [
        ("messages", "createdAt"),
        ("tool_events", "startedAt"),
        ("tool_events", "completedAt"),
    ]:
        fate = kept_out("not_a_time", name)
        yield other_fields(f"{snake(name)}_is_no_time", kind, fate, **{name: "soon"})
    for about, value in ODD_TIMES.items():
        yield other_fields(f"message_time_{about}", "messages", None, updatedAt=value)
    disorder = kept_out("times_out_of_order", "completedAt")
    odd = partial(other_fields, kind="tool_events", fate=disorder)
    yield odd("tool_event_completed_before_started", completedAt=time(1))
    yield odd("tool_event_succeeded_and_not_completed", completedAt=ABSENT)
    yield odd("tool_event_failed_and_not_completed", status="failed", completedAt=None)
    yield odd("tool_event_pending_and_completed", status="pending")
    for kind in ("threads", "messages"):
        yield other_fields(
            f"{SINGULAR[kind]}_updated_before_created",
            kind,
            mended("updated_before_created", "updatedAt"),
            createdAt=time(5),
            updatedAt=time(4),
        )


def odd_but_fine() -> Iterator[Damage]:
    """Give records that are unlike the viewer's and come in all the same."""
    fine = partial(other_fields, fate=None)
    yield fine("message_with_null_client_id", "messages", clientMessageId=None)
    yield fine("message_with_null_evidence", "messages", evidence=None, contextEvents=None)
    yield fine("message_of_another_mode_than_its_thread", "messages", mode="general")
    yield fine("message_with_no_content", "messages", content="")
    yield fine("message_with_unknown_field", "messages", starred=True, extra={"extra": 1})
    yield fine("unknown_field_in_evidence", "messages", evidence=[{"path": "a", "column": 7}])
    yield fine("unknown_field_in_context", "messages", contextEvents=[{"eventIndex": 0, "x": []}])
    yield fine("evidence_is_no_list_of_objects", "messages", evidence=[1, None, "x", []])
    yield fine("message_with_fields_of_others", "messages", title="x", toolName="y", status="odd")
    yield fine("message_of_a_megabyte", "messages", content="long " * 200_000)
    yield fine(
        "message_with_odd_characters", "messages", content="\u2028\ufeff\uffff\x7f\x85e\u0301"
    )
    yield fine("message_with_escaped_controls", "messages", content="\x01\x1b[0m\t\r\n\x1f")
    yield fine("thread_with_null_preview", "threads", lastMessagePreview=None, lastMessageAt=None)
    yield fine("thread_with_unknown_field", "threads", pinned={"by": None})
    yield fine("thread_with_no_title", "threads", title="")
    yield fine("thread_id_of_512_bytes", "threads", id="é" * 256)
    yield fine("thread_id_of_odd_characters", "threads", id=" '\"; drop table\\ 🌊\n")
    yield fine(
        "tool_event_with_nulls", "tool_events", error=None, contextEvents=None, threadId=None
    )
    yield fine("tool_event_with_null_latency", "tool_events", latencyMs=None)
    yield fine("tool_event_without_arguments", "tool_events", arguments=ABSENT, result=ABSENT)
    yield fine("tool_event_with_null_arguments", "tool_events", arguments=None, result=None)
    yield fine("tool_event_with_text_as_result", "tool_events", result="done", arguments=5)
    yield fine("tool_event_with_no_name", "tool_events", toolName="")
    yield fine("latency_disagrees_with_the_times", "tool_events", latencyMs=1)
    yield member("integer_of_thirty_digits", b'"n": 123456789012345678901234567890', None)
    yield member("number_beyond_a_double", b'"n": [1e400, -1E+400, 1e-400]', None)
    yield member("minus_zero", b'"n": [-0, -0.0, 0e0]', None)
    yield member("nested_ten_thousand_deep", b'"n": %b' % nest(10_000), None)
    yield member("key_that_is_empty", b'"": {"": ""}', None)
    yield member("keys_of_another_case", b'"ID": "x", "Id": "y"', None)
    yield member("key_of_the_prototype", b'"__proto__": {"constructor": 1}', None)
    yield tool("key_that_is_escaped", old=b'"id"', new=b'"\\u0069\\u0064"', fate=None)
    yield tool("text_that_is_escaped", old=b"a.py", new=b"\\u0061\\/\\ud83c\\udf0a", fate=None)
    yield tool("blanks_of_all_kinds", old=TOOL_TEXT, new=b'\t\r\n"id"\r: \t"tool_2"\n ,', fate=None)


def nest(depth: int) -> bytes:
    """Return arrays in arrays."""
    return b"[" * depth + b"]" * depth


def mends() -> Iterator[Damage]:
    """Give what can not stand in Postgres, or not as it is, and is mended."""
    replaced = mended("character_replaced")
    inside = partial(other_text, kind="messages", fate=replaced)
    yield inside("nul_in_content", old=b"it says", new=b"it\\u0000says")
    yield inside("lone_high_surrogate_in_content", old=b"it says", new=b"it says \\ud83d")
    yield inside("lone_low_surrogate_in_content", old=b"it says", new=b"it \\uDE00 says")
    yield inside("reversed_surrogates_in_content", old=b"it says", new=b"\\udf0a\\ud83c")
    yield inside("nul_in_evidence", old=b"build.log", new=b"build\\u0000.log")
    yield inside("lone_surrogate_in_context", old=b"it broke", new=b"it \\uD800broke")
    yield member("nul_in_unknown_field", b'"n": "\\u0000"', replaced)
    yield member("nul_in_a_name", b'"\\u0000": 1', replaced)
    yield member("lone_surrogate_in_a_nested_name", b'"n": [{"\\udfff": 1}]', replaced)
    yield tool("nul_in_arguments", old=b"a.py", new=b"a\\u0000.py", fate=replaced)
    yield other_text(
        "lone_surrogate_in_title", "threads", b'"General"', b'"General \\ud83d"', replaced
    )
    number = mended("number_replaced")
    yield member("number_beyond_numeric", b'"n": 1e200000', number)
    yield member("number_too_small_for_numeric", b'"n": -1e-20000', number)
    yield tool("number_beyond_numeric_in_arguments", old=b"1,\n", new=b"1e999999,\n", fate=number)
    twice = mended("duplicate_field")
    yield member("field_twice", b'"toolName": "first"', twice)
    yield member("field_twice_with_one_value", b'"toolName": "read_event"', twice)
    yield member("field_twice_once_escaped", b'"\\u0069d": "tool_2"', twice)
    yield member("unknown_field_twice", b'"n": 1, "n": 2', twice)
    yield member("field_twice_inside", b'"n": [{"a": 1, "b": 2, "a": 3}]', twice)
    yield tool("field_twice_in_arguments", old=b'"path"', new=b'"path": 1, "path"', fate=twice)


# Text that is no JSON.


def bad_syntax() -> Iterator[Damage]:
    """Give records that have their brackets and are no JSON."""
    for name, value in {
        "nan": b"NaN",
        "infinity": b"Infinity",
        "minus_infinity": b"-Infinity",
        "undefined": b"undefined",
        "python_true": b"True",
        "leading_zero": b"01",
        "number_without_fraction": b"1.",
        "number_without_integer": b".5",
        "plus_sign": b"+1",
        "hexadecimal_number": b"0x1F",
        "number_with_separators": b"1_000",
        "big_integer_literal": b"10n",
        "single_quotes": b"'x, y'",
        "no_quotes": b"x y",
        "object_object": b"[object Object]",
        "bad_escape": b'"\\x41"',
        "short_unicode_escape": b'"\\u12"',
        "long_unicode_escape": b'"\\u{1F30A}"',
        "escaped_quote_of_the_wrong_kind": b'"it\\\'s"',
        "raw_tab_in_text": b'"a\tb"',
        "raw_line_feed_in_text": b'"a\nb"',
        "raw_escape_in_text": b'"\x1b[0m"',
        "no_value": b"",
        "trailing_comma_in_list": b"[1, 2,]",
        "leading_comma_in_list": b"[, 1]",
        "two_commas_in_list": b"[1,, 2]",
        "trailing_comma_in_object": b'{"a": 1,}',
        "name_without_quotes": b"{a: 1}",
        "name_that_is_a_number": b'{1: "a"}',
        "no_colon": b'{"a" 1}',
        "two_colons": b'{"a":: 1}',
        "equals_sign": b'{"a" = 1}',
        "list_with_names": b'["a": 1]',
        "object_without_names": b'{"a", "b"}',
        "bracket_of_the_wrong_kind": b'{"a": [1}]',
        "bracket_that_is_missing": b'{"a": [1}',
        "bracket_that_stays_open": b"[[1]",
        "comment_in_record": b"1 // one",
        "block_comment_in_record": b"/* one */ 1",
        "placeholder": b"...",
        "template": b"{{ value }}",
    }.items():
        yield member(name, b'"n": ' + value, BAD_SYNTAX)
    for name, old, new in [
        ("comma_between_fields_is_gone", b'"tool_2",', b'"tool_2"'),
        ("two_commas_between_fields", b'"tool_2",', b'"tool_2",,'),
        ("opening_quote_is_gone", b'"call_2"', b'call_2"'),
        ("closing_quote_is_gone", b'"call_2"', b'"call_2'),
        ("quote_is_not_escaped", b'"call_2"', b'"call "2""'),
        ("colon_is_gone", b'"id":', b'"id"'),
        ("single_quotes_around_names", b'"id"', b"'id'"),
        ("backslash_before_the_closing_quote", b'"call_2"', b'"call_2\\"'),
        ("typographic_quotes", b'"id"', "“id”".encode()),
    ]:
        yield tool(name, old=old, new=new, fate=BAD_SYNTAX)
    yield member("nested_two_hundred_thousand_deep", b'"n": %b' % nest(200_000), TOO_DEEP)
    first = spelled(THREADS[1])
    trailing = first.rstrip(b" }\n") + b",\n  }"
    yield in_middle("trailing_comma_in_thread", "threads", trailing, BAD_SYNTAX)
    escaped = once(spelled(MESSAGES[1]), b'\\"type\\"', b'"type"')
    yield in_middle("quotes_in_content_are_not_escaped", "messages", escaped, BAD_SYNTAX)


def bad_bytes() -> Iterator[Damage]:
    """Give strings of bytes that are no UTF-8."""
    for name, value in {
        "byte_of_no_utf8": b"\xff",
        "latin_1": b"caf\xe9",
        "utf8_cut_off": b"\xf0\x9f\x8c",
        "utf8_without_its_begin": b"\x8c\x8a",
        "overlong_nul": b"\xc0\x80",
        "overlong_slash": b"\xe0\x80\xaf",
        "cesu_8": b"\xed\xa0\xbc\xed\xbc\x8a",
        "surrogate_as_bytes": b"\xed\xa0\xbd",
        "beyond_unicode": b"\xf4\x90\x80\x80",
        "raw_nul": b"a\x00b",
        "zeros_in_text": bytes(64),
        "utf16_in_text": "né".encode("utf-16"),
    }.items():
        yield tool(name, old=b"a.py", new=value, fate=BAD_BYTES)
    yield other_text(
        "windows_1252_in_content", "messages", "né".encode(), "né".encode("cp1252"), BAD_BYTES
    )
    yield other_text("raw_nul_in_title", "threads", b'"General"', b'"Gen\x00ral"', BAD_BYTES)


# What stands where a record must stand.


def no_records() -> Iterator[Damage]:
    """Give elements that are no records, between records."""
    for name, element in {
        "null": b"null",
        "true": b"true",
        "number": b"5",
        "text": b'"chat_9"',
        "empty_list": b"[]",
    }.items():
        yield added(f"{name}_for_a_record", "messages", element, NO_OBJECT)
    inside = b"[\n    %b\n  ]" % spelled(tool_event(id="tool_9"))
    yield added("record_in_a_list", "tool_events", inside, NO_OBJECT)
    yield added("empty_object_for_a_record", "tool_events", b"{}", NO_ID)
    yield added("object_of_something_else", "threads", b'{"version": 2}', NO_ID)
    yield added("undefined_for_a_record", "tool_events", b"undefined", BAD_SYNTAX)
    yield added("comment_between_records", "tool_events", b"// moved, see above", DAMAGED)
    yield added("merge_marks", "tool_events", b"<<<<<<< HEAD", DAMAGED)
    yield added("placeholder_between_records", "messages", b"...", BAD_SYNTAX)
    yield added("byte_order_mark_before_a_record", "tool_events", b"\xef\xbb\xbf{}", DAMAGED)
    for kind, records in SNAPSHOT.items():
        again = records[1]
        about = SINGULAR[kind]
        yield added(f"{about}_twice", kind, spelled(again), UNCHANGED)
        other = spelled(changed(again, note="other"))
        yield added(f"{about}_id_twice", kind, other, OTHER_CONTENT)
    reordered = dict(reversed(TOOL_EVENTS[1].items()))
    yield added("record_twice_in_another_order", "tool_events", spelled(reordered), UNCHANGED)
    compact = json.dumps(TOOL_EVENTS[1], separators=(",", ":")).encode()
    yield added("record_twice_in_another_layout", "tool_events", compact, UNCHANGED)
    three = [spelled(changed(MESSAGES[1], note=number)) for number in range(2)]
    yield with_file(
        "three_records_of_one_id",
        "messages",
        laid_out([*map(spelled, MESSAGES), *three]),
        messages=Outcome(5, {3: OTHER_CONTENT, 4: OTHER_CONTENT}),
    )
    yield with_file(
        "all_records_twice",
        "tool_events",
        as_viewer(TOOL_EVENTS * 2),
        tool_events=Outcome(6, dict.fromkeys((3, 4, 5), UNCHANGED)),
    )


# What records say of each other.


def references() -> Iterator[Damage]:
    """Give records that name what is not there, or that disagree."""
    absent, missing, other = "thread_absent", "thread_missing", "thread_of_other_session"
    cases: list[tuple[str, Record, str, Outcome]] = [
        ("message_without_thread", {"threadId": ABSENT}, absent, WHOLE),
        ("message_with_null_thread", {"threadId": None}, absent, WHOLE),
        ("message_of_a_missing_thread", {"threadId": "gone"}, missing, THREAD_COUNTS_LESS),
        ("message_of_a_thread_of_another_session", {"threadId": "thread_3"}, other,
         THREAD_COUNTS_LESS),
        ("message_of_another_session_than_its_thread", {"sessionId": OTHER_SESSION}, other,
         THREAD_COUNTS_LESS),
        ("message_of_a_session_of_its_own", {"sessionId": "session-new", "threadId": ABSENT},
         absent, THREAD_COUNTS_LESS),
    ]  # fmt: skip
    for name, fields, reason, threads in cases:
        records = [MESSAGES[0], changed(MESSAGES[1], **fields), MESSAGES[2]]
        outcome = Outcome(3, {1: mended(reason, "threadId")})
        yield with_file(name, "messages", as_viewer(records), messages=outcome, threads=threads)
    same = [*MESSAGES[:2], changed(MESSAGES[2], clientMessageId="client_2")]
    taken = Outcome(3, {2: mended("client_message_id_taken", "clientMessageId")})
    yield with_file(
        "message_with_the_client_id_of_another", "messages", as_viewer(same), messages=taken
    )
    odd = partial(other_fields, kind="tool_events")
    yield odd("tool_event_of_a_missing_thread", fate=mended(missing, "threadId"), threadId="gone")
    yield odd(
        "tool_event_of_a_thread_of_another_session",
        fate=mended(other, "threadId"),
        threadId="thread_3",
    )
    yield from disagreeing_threads()


def disagreeing_threads() -> Iterator[Damage]:
    """Give threads that disagree with their messages or with each other."""
    others: dict[str, Record] = {
        "thread_counts_too_many": {"messageCount": 5},
        "thread_count_is_negative": {"messageCount": -1},
        "thread_count_is_text": {"messageCount": "0"},
        "thread_without_count": {"messageCount": ABSENT},
        "thread_with_null_count": {"messageCount": None},
        "thread_with_a_preview_of_nothing": {"lastMessagePreview": "gone"},
        "thread_with_a_list_as_preview": {"lastMessagePreview": []},
        "thread_with_a_last_time_of_nothing": {"lastMessageAt": time(1)},
        "thread_with_a_last_time_that_is_none": {"lastMessageAt": "soon"},
    }
    for name, fields in others.items():
        yield other_fields(name, "threads", DERIVED, **fields)
    first = partial(changed, THREADS[0])
    for name, record in {
        "thread_without_preview": first(lastMessagePreview=ABSENT),
        "thread_with_an_old_preview": first(lastMessagePreview="Which event broke the build?"),
        "thread_with_an_old_last_time": first(lastMessageAt=time(2)),
        "thread_counts_too_few": first(messageCount=2),
    }.items():
        data = as_viewer([record, *THREADS[1:]])
        yield with_file(name, "threads", data, threads=Outcome(3, {0: DERIVED}))
    second = mended("second_active_thread", "status")
    for name, at, archived in [("older", time(5), 1), ("newer", time(20), 0)]:
        active = changed(THREADS[1], mode="session", status="active", updatedAt=at)
        yield with_file(
            f"second_active_thread_is_{name}",
            "threads",
            as_viewer([THREADS[0], active, THREADS[2]]),
            threads=Outcome(3, {archived: second}),
        )


# Files in other layouts.


def layouts() -> Iterator[Damage]:
    """Give files of the same content, in layouts that the viewer does not write."""
    spellings: dict[str, Spelling] = {
        "compact": lambda records: json.dumps(records, separators=(",", ":")).encode(),
        "one_line_with_blanks": lambda records: json.dumps(records).encode(),
        "not_indented": lambda records: json.dumps(records, indent=0).encode(),
        "indented_by_four": lambda records: json.dumps(records, indent=4).encode(),
        "indented_by_tabs": lambda records: json.dumps(records, indent="\t").encode(),
        "crlf": lambda records: as_viewer(records).replace(b"\n", b"\r\n"),
        "record_a_line": lambda records: laid_out(
            [json.dumps(record).encode() for record in records]
        ),
        "commas_first": lambda records: b"[ " + b"\n, ".join(map(spelled, records)) + b"\n]",
        "blank_lines": lambda records: as_viewer(records).replace(b"\n", b"\n\n \n"),
        "blanks_around": lambda records: b" \r\n\t" + as_viewer(records) + b"\n\n\t " * 50,
        "escaped_to_ascii": lambda records: json.dumps(records, indent=2).encode(),
        "names_in_order": lambda records: json.dumps(records, indent=2, sort_keys=True).encode(),
    }
    for name, spelling in spellings.items():
        yield everywhere(f"layout_{name}", spelling)
    yield everywhere("byte_order_mark", with_mark, "byte_order_mark")
    yield everywhere("json_lines", json_lines, "not_an_array")
    yield everywhere(
        "json_lines_with_crlf_and_mark",
        lambda records: with_mark(records, json_lines).replace(b"\n", b"\r\n"),
        "byte_order_mark",
        "not_an_array",
    )
    yield everywhere(
        "json_lines_with_commas",
        lambda records: json_lines(records).replace(b"}\n", b"},\n"),
        "not_an_array",
        "extra_comma",
    )
    yield everywhere(
        "records_behind_each_other",
        lambda records: b"\n".join(map(spelled, records)),
        "not_an_array",
    )
    yield everywhere(
        "no_commas_between_records",
        lambda records: laid_out([b"\n  ".join(map(spelled, records))]),
        "missing_comma",
    )
    yield everywhere(
        "two_commas_between_records",
        lambda records: b"[" + b",,".join(map(spelled, records)) + b"]",
        "extra_comma",
    )
    yield everywhere(
        "comma_behind_the_last_record",
        lambda records: once(as_viewer(records), b"}\n]", b"},\n]"),
        "extra_comma",
    )
    yield everywhere(
        "comma_before_the_first_record",
        lambda records: once(as_viewer(records), b'[\n  {\n    "id"', b'[,\n  {\n    "id"'),
        "extra_comma",
    )
    yield everywhere("no_closing_bracket", lambda records: as_viewer(records)[:-1], "no_end")
    yield everywhere(
        "comma_for_the_closing_bracket", lambda records: as_viewer(records)[:-2] + b",\n", "no_end"
    )


def everywhere(name: str, spelling: Spelling, *faults: str) -> Damage:
    """Return a snapshot with all files spelled in another way."""
    files = {kind: spelling(records) for kind, records in SNAPSHOT.items()}
    return Damage(name, files, dict.fromkeys(SNAPSHOT, Outcome(3, {}, faults)))


def with_mark(records: list[Record], spelling: Spelling = as_viewer) -> bytes:
    """Spell a file with a byte order mark."""
    return b"\xef\xbb\xbf" + spelling(records)


def json_lines(records: list[Record]) -> bytes:
    """Spell a file as JSON Lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


# Files that lost bytes, or have some that are not theirs. Most are of tool events.

FILE: Final = as_viewer(TOOL_EVENTS)
FIRST, SECOND, THIRD = map(spelled, TOOL_EVENTS)
AT: Final = [FILE.index(b'{\n    "id": "%b"' % name) for name in (b"tool_1", b"tool_2", b"tool_3")]
"""Where the three records begin."""


def hurt(name: str, data: bytes, read: int, fates: dict[int, Fate], *faults: str) -> Damage:
    """Return a snapshot with other bytes in the file of tool events."""
    return with_file(name, "tool_events", data, tool_events=Outcome(read, fates, faults))


def flipped(data: bytes, place: int, bit: int) -> bytes:
    """Flip a bit."""
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


def flips() -> Iterator[Damage]:
    """Give single bits that changed."""
    end = AT[1] + len(SECOND)
    second = AT[1] + SECOND.index(b'"tool_2"')
    name = AT[1] + SECOND.index(b'"id"')
    bracket = AT[1] + SECOND.index(b"]")
    for about, place, bit, fate in [
        ("opening_brace", AT[1], 5, DAMAGED),
        ("closing_brace", end - 1, 5, DAMAGED),
        ("inner_bracket", bracket, 5, BAD_SYNTAX),
        ("quote_of_a_name", name, 0, BAD_SYNTAX),
        ("quote_of_a_text", second, 1, BAD_SYNTAX),
        ("closing_quote_of_a_text", second + 7, 3, BAD_SYNTAX),
        ("colon", name + 4, 0, BAD_SYNTAX),
        ("comma_between_fields", second + 8, 1, BAD_SYNTAX),
        ("letter_to_a_byte_of_no_utf8", second + 1, 7, BAD_BYTES),
        ("letter_of_an_id", second + 1, 0, None),
        ("letter_of_a_name_to_another", name + 1, 0, NO_ID),
        ("line_feed_to_another_byte", AT[1] + 1, 6, BAD_SYNTAX),
    ]:
        yield hurt(f"bit_flip_in_{about}", flipped(FILE, place, bit), 3, {1: fate} if fate else {})
    yield hurt(
        "bit_flip_in_comma_between_records",
        flipped(FILE, AT[1] - 4, 6),
        4,
        {1: DAMAGED},
        "missing_comma",
    )
    yield hurt(
        "bit_flip_in_first_bracket",
        flipped(FILE, 0, 5),
        # As of a row of values, the brace belongs to nothing.
        5,
        {0: DAMAGED, 4: DAMAGED},
        "not_an_array",
        "extra_comma",
    )
    yield hurt("bit_flip_in_last_bracket", flipped(FILE, len(FILE) - 1, 5), 4, {3: CUT_OFF},
               "missing_comma", "no_end")  # fmt: skip


def losses() -> Iterator[Damage]:
    """Give files that lost bytes."""
    middle, last = AT[1] + len(SECOND) // 2, AT[2] + len(THIRD) // 2
    yield hurt("cut_off_in_the_last_record", FILE[:last], 3, {2: CUT_OFF}, "no_end")
    yield hurt("cut_off_in_the_second_record", FILE[:middle], 2, {1: CUT_OFF}, "no_end")
    yield hurt("cut_off_in_the_first_record", FILE[: AT[0] + 9], 1, {0: CUT_OFF}, "no_end")
    yield hurt("cut_off_before_the_last_brace", FILE[:-3], 3, {2: CUT_OFF}, "no_end")
    yield hurt("cut_off_behind_a_comma", FILE[: AT[2] - 3], 2, {}, "no_end")
    yield hurt("cut_off_behind_a_record", FILE[: AT[2] - 4], 2, {}, "no_end")
    yield hurt("cut_off_behind_the_first_bracket", b"[", 0, {}, "no_end")
    yield hurt("cut_off_and_filled_with_zeros", FILE[:last] + bytes(512), 3, {2: CUT_OFF}, "no_end")
    yield with_file(
        "threads_cut_off", "threads", as_viewer(THREADS)[:-20],
        threads=Outcome(3, {2: CUT_OFF}, ("no_end",)),
    )  # fmt: skip
    yield with_file(
        "messages_cut_off", "messages", as_viewer(MESSAGES)[:-20],
        messages=Outcome(3, {2: CUT_OFF}, ("no_end",)), threads=THREAD_COUNTS_LESS,
    )  # fmt: skip
    yield hurt("brace_before_a_record_is_lost", FILE[: AT[1]] + FILE[AT[1] + 6 :], 4,
               {1: NO_OBJECT, 2: DAMAGED}, "missing_comma")  # fmt: skip
    yield hurt("brace_behind_a_record_is_lost", once(FILE, SECOND, SECOND[:-4]), 3, {1: DAMAGED})
    yield hurt("brace_behind_the_last_record_is_lost", once(FILE, THIRD, THIRD[:-4]), 3,
               {2: DAMAGED})  # fmt: skip
    yield hurt("half_of_a_record_is_lost", once(FILE, SECOND, SECOND[: len(SECOND) // 2]), 3,
               {1: DAMAGED})  # fmt: skip
    yield hurt("end_of_one_and_begin_of_the_next_lost", FILE[:middle] + FILE[last:], 2,
               {1: BAD_SYNTAX})  # fmt: skip
    yield hurt("whole_record_is_lost", FILE[: AT[1]] + FILE[AT[2] :], 2, {})
    yield hurt("record_is_lost_but_not_its_comma", once(FILE, SECOND + b",", b","), 2, {},
               "extra_comma")  # fmt: skip
    yield hurt("zeros_in_a_record", FILE[: AT[1] + 20] + bytes(40) + FILE[AT[1] + 60 :], 3,
               {1: BAD_BYTES})  # fmt: skip
    yield hurt("zeros_for_a_record", once(FILE, SECOND, bytes(len(SECOND))), 3, {1: DAMAGED})
    yield hurt("zeros_over_two_records", FILE[: AT[0] + 30] + bytes(AT[1] - AT[0])
               + FILE[AT[1] + 30 :], 2, {0: BAD_BYTES})  # fmt: skip
    yield hurt("zeros_for_the_first_bracket", b"\x00" + FILE[1:], 5, {0: DAMAGED, 4: DAMAGED},
               "not_an_array", "extra_comma")  # fmt: skip
    yield hurt("begin_of_the_file_is_lost", FILE[AT[1] :], 3, {2: DAMAGED},
               "not_an_array", "extra_comma")  # fmt: skip
    yield hurt("first_line_is_lost", FILE[AT[0] :], 4, {3: DAMAGED},
               "not_an_array", "extra_comma")  # fmt: skip


def additions() -> Iterator[Damage]:
    """Give files with bytes that are not theirs."""
    yield hurt("two_copies", FILE + FILE, 4, {3: AFTER_END}, "after_end")
    yield hurt("two_copies_on_lines", FILE + b"\n" + FILE + b"\n", 4, {3: AFTER_END}, "after_end")
    yield hurt("old_end_behind_a_shorter_file", FILE + FILE[-90:], 4, {3: AFTER_END}, "after_end")
    yield hurt("zeros_behind_the_file", FILE + bytes(4096), 4, {3: AFTER_END}, "after_end")
    yield hurt("second_closing_bracket", FILE + b"\n]\n", 4, {3: AFTER_END}, "after_end")
    yield hurt("log_line_behind_the_file", FILE + b"\nsaved 3 rows\n", 4, {3: AFTER_END},
               "after_end")  # fmt: skip
    yield hurt("record_behind_the_file", FILE + b",\n  " + spelled(tool_event(id="tool_9")), 4,
               {3: AFTER_END}, "after_end")  # fmt: skip
    yield hurt("empty_array_before_the_file", b"[]\n" + FILE, 1, {0: AFTER_END}, "after_end")
    yield hurt("closing_bracket_in_the_middle", once(FILE, SECOND, SECOND + b"]"), 3,
               {2: AFTER_END}, "after_end")  # fmt: skip
    yield hurt("log_line_before_the_file", b"loading rows: 3 of 3\n" + FILE, 5,
               {0: DAMAGED, 4: DAMAGED}, "not_an_array", "extra_comma")  # fmt: skip
    again = {2: UNCHANGED, 3: UNCHANGED}
    yield hurt("block_repeated", FILE[: AT[2]] + FILE[AT[0] :], 5, again)
    yield hurt("block_repeated_inside_a_record", FILE[: AT[1] + 60] + FILE[AT[1] + 20 :], 3,
               {1: BAD_SYNTAX})  # fmt: skip
    yield hurt("two_writers", FILE[: AT[1] + 30] + FILE, 5,
               {1: DAMAGED, 2: UNCHANGED}, "missing_comma")  # fmt: skip
    yield hurt("array_in_an_array", b"[" + FILE + b"]", 1, {0: NO_OBJECT})
    wrapped = json.dumps({"toolEvents": TOOL_EVENTS}, indent=2).encode()
    yield hurt("array_in_an_object", wrapped, 1, {0: NO_ID}, "not_an_array")
    yield hurt("one_record_without_an_array", SECOND, 1, {}, "not_an_array")
    text = json.dumps(FILE.decode()).encode()
    yield hurt("array_in_a_text", text, 1, {0: NO_OBJECT}, "not_an_array")
    yield hurt("null_for_an_array", b"null", 1, {0: NO_OBJECT}, "not_an_array")


def lines() -> Iterator[Damage]:
    """Give JSON Lines with a bad line."""
    first, second, third = json_lines(TOOL_EVENTS).splitlines(keepends=True)
    half = second[: len(second) // 2]
    for name, line, read, fates in [
        ("line_cut_off", half + b"\n", 3, {1: DAMAGED}),
        ("line_without_its_end", half, 2, {1: CUT_OFF}),
        ("line_without_its_brace", second[:-2] + b"\n", 3, {1: DAMAGED}),
        ("line_with_a_trailing_comma", second[:-2] + b",}\n", 3, {1: BAD_SYNTAX}),
        ("line_of_words", b"started at last\n", 3, {1: DAMAGED}),
        ("line_twice", second * 2, 4, {2: UNCHANGED}),
        ("line_with_two_records", second[:-1] + second, 4, {2: UNCHANGED}),
    ]:
        yield hurt(f"json_{name}", first + line + third, read, fates, "not_an_array")
    yield hurt("json_lines_cut_off", first + half, 2, {1: CUT_OFF}, "not_an_array")


def encodings() -> Iterator[Damage]:
    """Give files in another encoding."""
    wide = FILE.decode().encode("utf-16")
    yield hurt("utf_16", wide, 1, {0: DAMAGED}, "not_an_array")
    packed = gzip.compress(FILE, mtime=0)
    yield hurt("gzip", packed, 1, {0: DAMAGED}, "not_an_array")
    # Read as Latin-1 and written as UTF-8: other letters, and nothing that shows.
    doubly = as_viewer(MESSAGES).decode("latin-1").encode()
    yield with_file("utf_8_twice", "messages", doubly)
    yield hurt("byte_order_mark_twice", b"\xef\xbb\xbf" * 2 + FILE, 5, {0: DAMAGED, 4: DAMAGED},
               "byte_order_mark", "not_an_array", "extra_comma")  # fmt: skip


def whole_files() -> Iterator[Damage]:
    """Give snapshots that lack files, or have some that hold nothing."""
    lost_thread = dict.fromkeys(range(3), mended("thread_missing", "threadId"))
    nothing = Outcome(0)
    # The third tool event names no thread.
    lost_tools = Outcome(3, {place: lost_thread[place] for place in range(2)})
    yield with_file("no_threads_file", "threads", None, threads=nothing,
                    messages=Outcome(3, lost_thread), tool_events=lost_tools)  # fmt: skip
    yield with_file("no_messages_file", "messages", None, messages=nothing,
                    threads=THREAD_COUNTS_LESS)  # fmt: skip
    yield with_file("no_tool_events_file", "tool_events", None, tool_events=nothing)
    yield with_file("threads_file_has_none", "threads", b"[]", threads=nothing,
                    messages=Outcome(3, lost_thread), tool_events=lost_tools)  # fmt: skip
    yield with_file("messages_file_has_none", "messages", b"[\n]\n", messages=nothing,
                    threads=THREAD_COUNTS_LESS)  # fmt: skip
    no_tools = dict.fromkeys(range(3), kept_out("missing", "toolName"))
    yield with_file("messages_in_the_file_of_tool_events", "tool_events", as_viewer(MESSAGES),
                    tool_events=Outcome(3, no_tools))  # fmt: skip
    for name, data in {
        "empty": b"",
        "blank": b"\n \t\r\n",
        "only_a_byte_order_mark": b"\xef\xbb\xbf\n",
    }.items():
        files = {kind: as_viewer(records) for kind, records in SNAPSHOT.items()}
        yield Damage(f"messages_file_is_{name}", files | {"messages": data}, ExitCode.NOT_AN_ARRAY)
    only_zeros = Outcome(1, {0: DAMAGED}, ("not_an_array",))
    yield with_file("tool_events_file_is_zeros", "tool_events", bytes(4096), tool_events=only_zeros)


def all_damages() -> list[Damage]:
    """Return the corpus."""
    parts: list[Callable[[], Iterator[Damage]]] = [
        required_fields,
        optional_fields,
        wrong_values,
        times,
        odd_but_fine,
        mends,
        bad_syntax,
        bad_bytes,
        no_records,
        references,
        layouts,
        flips,
        losses,
        additions,
        lines,
        encodings,
        whole_files,
    ]
    return [damage for part in parts for damage in part()]
