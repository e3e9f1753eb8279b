"""What the verification finds about one record: its fate, and where the database differs."""

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from harness.legacy.books import Facts, Kept, Place, Quarantined, Row, json_of
from harness.legacy.expectations import (
    COLUMNS,
    DERIVED,
    Column,
    Json,
    Number,
    Reading,
    Stored,
    expected,
    gives_back,
    preview,
    read_json,
    said,
)
from harness.legacy.reader import Element

T = TypeVar("T")

Verdict = Literal["equal", "mended", "quarantined", "twins", "kept", "changed", "different"]
"""equal: the row says what the record says; mended: but for what the books say was mended;
quarantined: kept out, with the same bytes; twins: an earlier record of the file has its id;
kept: the database had its id with other content, and was to keep it; changed: the row was
changed since; different: anything else."""

_WHOLE = "*"
"""In place of a field: the record as a whole."""

_MENDABLE = {column.fields[0] for column in DERIVED} | {
    "status",
    "updatedAt",
    "threadId",
    "clientMessageId",
}
_DEEP_STACK: Final = 512 << 20
_DEEP_LIMIT: Final = 200_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What differs, in which field. since: for the row was changed since the import."""

    field: str
    what: str
    since: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found about a record."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A record of a file, and what the books and tables have of it.

    read_raw: gives its bytes. read_kept: gives those that are kept of it.
    """

    kind: str
    run_id: int
    element: Element
    place: Place
    is_twin: bool
    facts: Facts
    read_raw: Callable[[], bytes]
    read_kept: Callable[[str], bytes]


class _Differs(Exception):  # noqa: N818 - it says what was met, as StopIteration does
    """One finding that leaves nothing more to look at."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.finding = Finding(field, what)


def judge(case: Case) -> Judged:
    """Judge a record."""
    try:
        try:
            return _judge(case)
        except RecursionError:
            return in_deep_stack(lambda: _judge(case))
    except _Differs as differs:
        return Judged("different", (differs.finding,))
    except RecursionError:
        return _different(_WHOLE, "is nested deeper than Python reads")


def in_deep_stack(work: Callable[[], T]) -> T:
    """Do work that goes deeper than Python's own stack: Postgres reads deeper JSON than Python."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            errors.append(error)

    limit = sys.getrecursionlimit()
    former = threading.stack_size(_DEEP_STACK)
    try:
        sys.setrecursionlimit(_DEEP_LIMIT)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(former)
        sys.setrecursionlimit(limit)
    if errors:
        raise errors[0]
    return results[0]


def _different(field: str, what: str) -> Judged:
    return Judged("different", (Finding(field, what),))


def _judge(case: Case) -> Judged:
    _check_place(case)
    here = case.facts.quarantined.get(case.place.ordinal)
    if case.place.fate == "q":
        return _judge_quarantined(case, here)
    if here and here.reason == "conflict_kept" and case.place.fate == "u":
        _check_quarantined(case, here)
        if case.place.record_id not in case.facts.rows:
            raise _Differs("id", "the row that was to be kept is gone")
        return Judged("kept")
    if here:
        raise _Differs(_WHOLE, "is in the quarantine, and the books say it came in")
    return _judge_row(case)


def _check_place(case: Case) -> None:
    place, element = case.place, case.element
    if place.offset is not None and place.offset != element.offset:
        raise _Differs(_WHOLE, f"the books have it at byte {place.offset}")
    if place.sha256 is not None and place.sha256 != element.sha256:
        raise _Differs(_WHOLE, "its bytes are not those that were imported")


def _judge_quarantined(case: Case, here: Quarantined | None) -> Judged:
    found = here or case.facts.met_since.get(case.element.sha256)
    if found is None:
        raise _Differs(_WHOLE, "the books say it was quarantined, and it is not there")
    if case.place.record_id is not None:
        raise _Differs(_WHOLE, "the books say it was quarantined, and name a row for it")
    if here and here.reason == "conflict_kept":
        raise _Differs(_WHOLE, "the database kept its own row, and the books say quarantined")
    _check_quarantined(case, here)
    return Judged("quarantined")


def _check_quarantined(case: Case, here: Quarantined | None) -> None:
    if here is None:
        return
    if not here.sha256 == here.noted_sha256 == case.element.sha256:
        raise _Differs(_WHOLE, "the quarantine has other bytes of it")
    if here.offset != case.element.offset:
        raise _Differs(_WHOLE, f"the quarantine has it at byte {here.offset}")


def _judge_row(case: Case) -> Judged:
    if case.is_twin and case.place.fate != "u":
        raise _Differs("id", "came in although an earlier record has its id")
    reading = read_json(case.read_raw())
    if reading is None or not isinstance(reading.value, dict):
        raise _Differs(_WHOLE, "is no JSON object, and the books say it came in")
    record_id = case.place.record_id
    if record_id is None or reading.value.get("id") != record_id:
        raise _Differs("id", "the books have another id for it")
    row = case.facts.rows.get(record_id)
    if row is None:
        raise _Differs("id", "its row is gone")
    kept = case.facts.kept.get(record_id)
    _check_kept(case, reading, kept)
    mends = json_of(kept.mends) if kept else {}
    findings = _compare(case, reading.value, mends, row, kept)
    if findings:
        since = all(finding.since for finding in findings)
        return Judged("changed" if since else "different", tuple(findings))
    if case.is_twin:
        return Judged("twins")
    return Judged("mended" if mends else "equal")


def _check_kept(case: Case, reading: Reading, kept: Kept | None) -> None:
    """Check what is kept of a record beside its row against the books and the record."""
    fate, record = case.place.fate, reading.value
    came_in_here = kept is not None and (kept.run_id, kept.ordinal) == (
        case.run_id,
        case.place.ordinal,
    )
    mended = kept is not None and json_of(kept.mends) != {}
    if fate == "u" and came_in_here:
        raise _Differs(_WHOLE, "came in with this run, and the books say unchanged")
    if fate == "i" and mended:
        raise _Differs(_WHOLE, "was mended, and the books say imported as it was")
    if fate == "a" and not (mended and came_in_here):
        raise _Differs(_WHOLE, "the books say it was mended, and no mend is kept")
    if kept is None:
        if reading.replaced or not gives_back(case.kind, record):
            raise _Differs(_WHOLE, "its row does not give it back, and its bytes are not kept")
        return
    if kept.sha256 is None or kept.sha256 == case.element.sha256:
        return
    if came_in_here or not _is_same(case.read_kept(record["id"]), record):
        raise _Differs(_WHOLE, "the bytes that are kept of it are others")


def _is_same(raw: bytes, record: Json) -> bool:
    reading = read_json(raw)
    return reading is not None and bool(reading.value == record)


def _compare(
    case: Case,
    record: Mapping[str, Json],
    mends: Mapping[str, Json],
    row: Row,
    kept: Kept | None,
) -> list[Finding]:
    since = _is_changed_since(case.kind, row, kept)
    findings = list(_check_mends(record, mends))
    mended = dict(record) | {
        name: mend["to"] for name, mend in mends.items() if name != _WHOLE and "to" in mend
    }
    wanted = expected(case.kind, mended)
    columns = (*COLUMNS[case.kind], Column("extra", "json", ("extra",)))
    findings += [
        _column_finding(column, since=since)
        for column in columns
        if _stored(column, row.columns) != wanted[column.name]
    ]
    if case.kind == "threads":
        findings += _compare_derived(case, mended, row, since=since)
    return findings


def _is_changed_since(kind: str, row: Row, kept: Kept | None) -> bool:
    """Say whether the row was written to after the import, as far as its version tells.

    A thread's is raised by the import itself, when it counts the messages.
    """
    if kept and kept.row_version is not None:
        return row.row_version > kept.row_version
    return kind != "threads" and row.row_version > 1


def _check_mends(record: Mapping[str, Json], mends: Mapping[str, Json]) -> list[Finding]:
    return [
        Finding(name, "the mend says another value was there")
        for name, mend in mends.items()
        if name != _WHOLE
        and "to" in mend
        and (name not in _MENDABLE or mend.get("from") != record.get(name))
    ]


def _column_finding(column: Column, *, since: bool) -> Finding:
    what = "was changed since the import" if since else "is not what the record says"
    return Finding(column.fields[0], f"column {column.name} {what}", since)


def _stored(column: Column, columns: Mapping[str, object]) -> object:
    value = columns[column.name]
    if column.shape in ("json", "items") and isinstance(value, str):
        return Stored(json_of(value))
    return value


def _compare_derived(
    case: Case, mended: Mapping[str, Json], row: Row, *, since: bool
) -> list[Finding]:
    """Compare what a thread says of its messages with them, and with what the record says."""
    from_messages = dict(case.facts.from_messages[str(case.place.record_id)])
    content = from_messages["last_message_preview"]
    from_messages["last_message_preview"] = preview(None if content is None else str(content))
    findings = []
    for column in DERIVED:
        value = row.derived[column.name]
        if value != from_messages[column.name]:
            what = f"column {column.name} is not what the thread's messages say"
            findings.append(Finding(column.fields[0], what, since))
        elif value != _as_text(column, said(column, mended)):
            # The import keeps a mend of it, so messages came or went since.
            what = f"column {column.name} was changed since the import"
            findings.append(Finding(column.fields[0], what, since=True))
    return findings


def _as_text(column: Column, value: object) -> object:
    """Return a value as the import compares it: a preview may be written as a number."""
    if column.shape == "text" and isinstance(value, Number):
        return value.digits
    return value
