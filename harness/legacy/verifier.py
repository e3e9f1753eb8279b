"""Compares the old viewer's files with the database, record by record, by a way of its own.

The importer is not asked, nor any SQL function of it: the files are read again, Python works out
what each column must hold, and plain selects say what it holds. Only the reader that splits a
file into records is the importer's too.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.connections import Server
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.legacy.books import Books, Facts, Place
from harness.legacy.expectations import Json, read_json
from harness.legacy.importer import find_files
from harness.legacy.judgement import Case, Finding, Judged, Verdict, in_deep_stack, judge
from harness.legacy.reader import Element, RecordFile
from harness.legacy.reading import reading
from harness.legacy.steps import FILES

_RECORDS_A_QUERY = 1_000
_BYTES_A_QUERY = 4 << 20

_LETTERS = {"i": "imported", "u": "unchanged", "a": "adopted", "q": "quarantined"}


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify. account: name or id; None: the only one. limit: of differences shown."""

    folder: Path
    account: str | None = None
    limit: int = 20


@dataclass(frozen=True)
class Difference:
    """Where the files and the database differ; never a value of a record.

    record: counts from 1; None: the file as a whole. since: the row was changed since the import.
    """

    file: str
    record: int | None
    byte: int | None
    field: str
    what: str
    since: bool = False


@dataclass
class FileCounts:
    """How many records of a file were checked, and with which Verdict. more: rows of no file."""

    file: str
    checked: int = 0
    equal: int = 0
    mended: int = 0
    quarantined: int = 0
    twins: int = 0
    kept: int = 0
    changed: int = 0
    different: int = 0
    more: int = 0


@dataclass
class VerifyResult:
    """What was compared. differences: the first ones; difference_count: of all."""

    server: str
    folder: str
    run_id: int
    files: list[FileCounts] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    difference_count: int = 0

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)


def verify_folder(server: Server, request: VerifyRequest, tell: Tell) -> VerifyResult:
    """Compare a folder with what the account's last finished import made of it.

    Raises SessionbaseError: DIFFERENT if the account has no finished import; NO_DATA_FOLDER;
    NOT_AN_ARRAY; NO_ACCOUNT; NO_PERMISSION for a login that may not become import_definer.
    """
    paths = find_files(request.folder)
    with reading(server, "verify", request.account) as (connection, account_id):
        books = Books(connection, account_id)
        if books.run_id is None:
            raise SessionbaseError(
                ExitCode.DIFFERENT,
                f"no import into the account of {server.label} has finished: nothing to compare",
                hint="Run `invoke import-legacy` first.",
            )
        result = VerifyResult(server.label, str(request.folder), books.run_id)
        for kind, path in paths.items():
            _FileVerifier(books, kind, path, result, request.limit).verify(tell)
    return result


class _FileVerifier:
    """The verification of one file."""

    def __init__(
        self, books: Books, kind: str, path: Path | None, result: VerifyResult, limit: int
    ) -> None:
        self._books = books
        self._kind = kind
        self._file = RecordFile(path) if path else None
        self._result = result
        self._limit = limit
        self._counts = FileCounts(FILES[kind])
        self._letters: Counter[str] = Counter()
        self._places = _Places(books, kind)
        self._twins = _Lockstep(books.twins(kind))
        # Records that nothing brought before, as it seems: looked into if the sums are wrong.
        self._new_and_unchanged: list[tuple[Element, str]] = []

    def verify(self, tell: Tell) -> None:
        """Compare the file."""
        for elements in self._chunks():
            self._check_chunk(elements)
            tell(f"comparing {self._counts.file}: {self._counts.checked:,} records")
        for place in self._places.rest():
            self._letters[place.fate] += 1
            self._differ(Finding("*", "is in the books and not in the file"), place.ordinal, None)
        self._check_ledger()
        self._counts.more = self._books.more(self._kind)
        self._result.files.append(self._counts)

    def _chunks(self) -> Iterator[list[Element]]:
        """Give the elements, so many at a time as can be in memory together."""
        chunk: list[Element] = []
        size = 0
        for element in self._file.elements() if self._file else ():
            chunk.append(element)
            size += len(element.raw or b"")
            if len(chunk) >= _RECORDS_A_QUERY or size >= _BYTES_A_QUERY:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _check_chunk(self, elements: list[Element]) -> None:
        places = [self._places.take(element.ordinal) for element in elements]
        facts = self._books.facts(
            self._kind,
            [place.record_id for place in places if place and place.record_id],
            elements[0].ordinal,
            elements[-1].ordinal,
        )
        if not self._books.are_whole:
            places = [self._guess(*pair, facts) for pair in zip(elements, places, strict=True)]
            self._add_facts(facts, places)
        facts.met_since = self._met_since(elements, places, facts)
        for element, place in zip(elements, places, strict=True):
            self._check(element, place, facts)

    def _met_since(
        self, elements: list[Element], places: list[Place | None], facts: Facts
    ) -> dict[bytes, Any]:
        missing = [
            element.sha256
            for element, place in zip(elements, places, strict=True)
            if place and place.fate == "q" and element.ordinal not in facts.quarantined
        ]
        return self._books.met_since(self._kind, missing) if missing else {}

    def _guess(self, element: Element, place: Place | None, facts: Facts) -> Place | None:
        """Make up a place where an older version of sessionbase booked none."""
        if place:
            return place
        if element.ordinal in facts.quarantined:
            return Place(element.ordinal, "q", None, None, None)
        value = self._value_of(element)
        record_id = value.get("id") if isinstance(value, dict) else None
        if not isinstance(record_id, str):
            return None
        return Place(element.ordinal, "u", record_id, None, None)

    def _value_of(self, element: Element) -> Json:
        raw = self._raw_of(element)
        try:
            read = read_json(raw)
        except RecursionError:
            read = in_deep_stack(partial(read_json, raw))
        return read and read.value

    def _add_facts(self, facts: Facts, places: list[Place | None]) -> None:
        ids = [place.record_id for place in places if place and place.record_id]
        more = self._books.facts(self._kind, ids, 0, -1)
        facts.rows, facts.kept, facts.from_messages = more.rows, more.kept, more.from_messages

    def _check(self, element: Element, place: Place | None, facts: Facts) -> None:
        self._counts.checked += 1
        is_twin = self._twins.has(element.ordinal)
        if place is None:
            judged = Judged("different", (Finding("*", "is in the file and not in the books"),))
        else:
            judged = judge(
                Case(
                    kind=self._kind,
                    run_id=self._result.run_id,
                    element=element,
                    place=place,
                    is_twin=is_twin,
                    facts=facts,
                    read_raw=partial(self._raw_of, element),
                    read_kept=partial(self._books.kept_raw, self._kind),
                )
            )
            self._note_letter(element, place, is_twin=is_twin)
        self._count(judged.verdict)
        for finding in judged.findings:
            self._differ(finding, element.ordinal, element.offset)

    def _raw_of(self, element: Element) -> bytes:
        if element.raw is not None:
            return element.raw
        if self._file is None:
            raise AssertionError("an element is of a file")
        return b"".join(self._file.pieces(element))

    def _note_letter(self, element: Element, place: Place, *, is_twin: bool) -> None:
        self._letters[place.fate] += 1
        if (
            place.fate == "u"
            and place.record_id
            and not is_twin
            and len(self._new_and_unchanged) < _RECORDS_A_QUERY
        ):
            self._new_and_unchanged.append((element, place.record_id))

    def _count(self, verdict: Verdict) -> None:
        setattr(self._counts, verdict, getattr(self._counts, verdict) + 1)

    def _differ(self, finding: Finding, ordinal: int | None, offset: int | None) -> None:
        self._result.difference_count += 1
        if len(self._result.differences) < self._limit:
            record = None if ordinal is None else ordinal + 1
            self._result.differences.append(
                Difference(
                    self._counts.file, record, offset, finding.field, finding.what, finding.since
                )
            )

    def _check_ledger(self) -> None:
        """Compare the file as a whole, and the sums, with the ledger."""
        ledger = self._books.ledger(self._kind)
        if (self._file.sha256 if self._file else None) != ledger.sha256:
            self._differ(Finding("*", "the file is not the one that was imported"), None, None)
        elif self._file and self._file.size_bytes != ledger.size_bytes:
            self._differ(Finding("*", "the ledger has another size of the file"), None, None)
        if self._counts.checked != ledger.read_count:
            what = f"the ledger says {ledger.read_count} records were read"
            self._differ(Finding("*", what), None, None)
        if self._books.are_whole:
            self._check_sums(ledger.letters)

    def _check_sums(self, booked: dict[str, int]) -> None:
        wrong = [letter for letter in _LETTERS if self._letters[letter] != booked[letter]]
        for letter in wrong:
            what = (
                f"the ledger says {booked[letter]} records {_LETTERS[letter]}, "
                f"the books of the batches {self._letters[letter]}"
            )
            self._differ(Finding("*", what), None, None)
        if "u" in wrong and self._new_and_unchanged:
            ids = [record_id for _, record_id in self._new_and_unchanged]
            before = self._books.was_brought_before(self._kind, ids)
            for element, record_id in self._new_and_unchanged:
                if record_id not in before:
                    what = "the books say unchanged, and no import brought it before"
                    self._differ(Finding("*", what), element.ordinal, element.offset)


class _Lockstep:
    """Ordinals in order, asked for in order."""

    def __init__(self, ordinals: Iterator[int]) -> None:
        self._ordinals = ordinals
        self._next = next(ordinals, None)

    def has(self, ordinal: int) -> bool:
        """Say whether an ordinal is among them."""
        while self._next is not None and self._next < ordinal:
            self._next = next(self._ordinals, None)
        return self._next == ordinal


class _Places:
    """What the books say of each record, asked for in the order of the file."""

    def __init__(self, books: Books, kind: str) -> None:
        self._places = books.places(kind)
        self._next = next(self._places, None)

    def take(self, ordinal: int) -> Place | None:
        """Return the place of a record; None if it has none."""
        while self._next and self._next.ordinal < ordinal:
            self._next = next(self._places, None)
        if self._next is None or self._next.ordinal != ordinal:
            return None
        place, self._next = self._next, next(self._places, None)
        return place

    def rest(self) -> Iterator[Place]:
        """Give the places behind the last one taken."""
        if self._next:
            yield self._next
            yield from self._places
