"""The page of an import says what happened, and needs nothing and nobody to be read."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from harness.legacy.page import outcome_of, render_page
from harness.legacy.reader import FileFault
from harness.legacy.results import FileResult, ImportResult, Note, Reason

HOSTILE = '<script>alert(1)</script>"\' onload="x" {{ 7 * 7 }} &amp; \u202e'
CONFLICTS = "What became of records in conflict; the first table counts them too"
VOID = {"meta", "br", "link", "img", "input"}


def file(name: str = "chat-messages.json", **counts: int) -> FileResult:
    """Return a file that held as many records as the counts say."""
    known = dict.fromkeys(("imported", "unchanged", "adopted", "quarantined"), 0) | counts
    return FileResult(
        file=name,
        missing=False,
        size_bytes=23_682_245,
        sha256="0c" * 32,
        read=sum(counts.values()),
        faults=[],
        **known,
    )


def result(*files: FileResult, **overrides: object) -> ImportResult:
    """Return what an import of some files did."""
    plain = ImportResult(
        run_id=7,
        server="postgresql://postgres@127.0.0.1:5432/sessionbase",
        folder="/srv/viewer/data",
        account="default",
        version="0.1.0",
        dry_run=False,
        on_conflict="quarantine",
        started_at=datetime(2026, 1, 8, 16, 23, 40, tzinfo=UTC),
        seconds=203.4,
        attempts=1,
        files=list(files) or [file(imported=3)],
        sessions=2,
        threads_made=0,
        notes=[],
        reasons=[],
    )
    return replace(plain, **overrides)  # type: ignore[arg-type]


def note(fate: str, code: str, **overrides: object) -> Note:
    """Return the place of a record."""
    plain = Note(fate, "chat-messages.json", 7, 3144, code, "It was so.", "role", None)
    return replace(plain, **overrides)  # type: ignore[arg-type]


def reason(fate: str, code: str, count: int, **overrides: object) -> Reason:
    """Return why records were mended or kept out."""
    plain = Reason(fate, "chat-messages.json", code, "It was so.", "role", None, count)
    return replace(plain, **overrides)  # type: ignore[arg-type]


KEPT_OWN = reason("unchanged", "conflict_kept", 2, meaning="The database keeps its own.")

FULL = result(
    file("chat-threads.json", imported=5, adopted=3),
    replace(
        file(imported=18_792, unchanged=2, adopted=1_204, quarantined=4),
        faults=[FileFault("no_end", 23_682_244), FileFault("from_the_future", 12)],
    ),
    FileResult("chat-tool-events.json", True, None, None, 0, 0, 0, 0, 0),
    attempts=2,
    threads_made=1,
    notes=[
        note("quarantined", "not_json", sqlstate="22P02", field=None),
        note("adopted", "thread_absent", record=1_044, byte_offset=90_210),
        note("unchanged", "conflict_kept", record=555),
    ],
    reasons=[
        reason("quarantined", "not_json", 3, sqlstate="22P02", field=None),
        reason("quarantined", "conflict", 1, field="id"),
        reason("adopted", "thread_absent", 1_204, meaning="The message named no thread."),
        reason("adopted", "conflict_replaced", 1, field="*"),
        KEPT_OWN,
    ],
)


class Page(HTMLParser):
    """Reads a page: its elements with their attributes, tables as rows of cells, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._open: list[str] = []
        self._caption = ""
        self._rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and a new row or cell."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self._caption, self._rows = "", []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """See that it closes what was opened last."""
        assert self._open.pop() == tag
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        """Note text where it stands."""
        if "style" in self._open:
            return
        self.text += data
        if "caption" in self._open:
            self._caption += data
        elif "td" in self._open or "th" in self._open:
            self._rows[-1][-1] += data.strip()

    def with_tag(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (result(file(imported=100, adopted=20, unchanged=3)), "All 123 records are in"),
        (result(file(imported=1)), "The only record is in"),
        (result(file(unchanged=1_200)), "Nothing changed: all 1,200 records were in already"),
        (result(file(imported=1, quarantined=1)), "1 of 2 records was kept out"),
        (result(file(imported=2_000, quarantined=3)), "3 of 2,003 records were kept out"),
        (result(file()), "The files hold no records"),
        (
            result(
                file(imported=2, unchanged=3), reasons=[reason("unchanged", "conflict_kept", 2)]
            ),
            "3 records are in; for 2 the database kept its own content",
        ),
        (
            result(file(imported=3), dry_run=True),
            "Dry run, nothing was kept: All 3 records are in",
        ),
    ],
)
def test_the_title_says_in_words_what_came_of_it(what: ImportResult, sentence: str) -> None:
    html = render_page(what)
    assert outcome_of(what) == sentence
    assert f"{sentence}</h1>" in html
    assert f"<title>{sentence} (import 7)</title>" in html


def test_the_counts_and_sums_of_every_file_are_there() -> None:
    tables = Page(render_page(FULL)).tables
    assert tables["What became of the records, each of which is counted once"] == [
        ["File", "Read", "Imported", "Unchanged", "Adopted", "Quarantined"],
        ["chat-threads.json", "8", "5", "0", "3", "0"],
        ["chat-messages.json", "20,002", "18,792", "2", "1,204", "4"],
        ["chat-tool-events.json", "0", "0", "0", "0", "0"],
        ["Together", "20,010", "18,797", "2", "1,207", "4"],
    ]
    assert tables["Which files these were"][2:] == [
        ["chat-messages.json", "23,682,245", "0c" * 32],
        ["chat-tool-events.json", "-", "There was no such file: taken as an empty store."],
    ]


def test_every_reason_and_place_is_in_the_table_of_its_fate() -> None:
    tables = Page(render_page(FULL)).tables
    assert tables["Why records were kept out"][1:] == [
        ["3", "chat-messages.json", "-", "It was so.", "not_json", "22P02"],
        ["1", "chat-messages.json", "id", "It was so.", "conflict", "-"],
    ]
    assert tables["Why records were mended"][1:] == [
        ["1,204", "chat-messages.json", "role", "The message named no thread.", "thread_absent"],
        ["1", "chat-messages.json", "the whole record", "It was so.", "conflict_replaced"],
    ]
    assert tables["Where: the first of them"][1:] == [
        ["chat-messages.json", "1,044", "90,210", "role", "thread_absent"],
    ]
    assert [row[2] for row in tables[CONFLICTS]] == [
        "Outcome",
        "kept out",
        "replaced what the database had",
        "the database kept its own",
    ]
    assert tables["Where the database kept its own: the first of them"][1][1] == "555"


def test_faults_of_files_are_said_also_those_this_page_has_no_words_for() -> None:
    (_, known, unknown) = Page(render_page(FULL)).tables["Where each fault shows first"]
    assert known[:2] == ["chat-messages.json", "23,682,244"]
    assert "closing ]" in known[2]
    assert unknown == ["chat-messages.json", "12", "from_the_future", "from_the_future"]


def test_what_did_not_happen_has_no_heading() -> None:
    plain = render_page(result())
    for heading in ("Kept out", "Mended", "Conflicts", "wrong with the files"):
        assert f"{heading}</h2>" not in plain
        assert f"{heading}" in render_page(FULL)


def test_a_dry_run_points_to_nothing_that_is_not_there() -> None:
    dry = replace(FULL, dry_run=True)
    assert "legacy.quarantine" in render_page(FULL)
    assert "invoke verify-import" in render_page(FULL)
    assert "legacy." not in render_page(dry)
    assert "invoke verify-import" not in render_page(dry)


def test_commands_to_copy_are_safe_to_paste() -> None:
    text = Page(render_page(result(folder="/srv/my $(data)", account="it's"))).text
    assert "verify-import --data '/srv/my $(data)' --account 'it'\"'\"'s'\n" in text


def test_it_is_one_file_that_fetches_and_runs_nothing() -> None:
    html = render_page(FULL)
    page = Page(html)
    assert not re.search(r"https?://|src\s*=|@import|url\(", html)
    assert not {"script", "link", "img", "iframe", "object", "form"} & {n for n, _ in page.elements}
    policy = {"http-equiv": "Content-Security-Policy"}
    (meta,) = [m for m in page.with_tag("meta") if policy.items() <= m.items()]
    assert str(meta["content"]).startswith("default-src 'none'")


def test_its_tables_are_for_everybody() -> None:
    page = Page(render_page(FULL))
    assert page.with_tag("html") == [{"lang": "en"}]
    assert len(page.with_tag("table")) == len(page.with_tag("caption")) > 1
    assert all(head.get("scope") in ("col", "row") for head in page.with_tag("th"))
    # What scrolls sideways can be reached and named without a mouse.
    scrolling = [d for d in page.with_tag("div") if d.get("class") == "wide"]
    assert all(d.get("tabindex") == "0" and d.get("aria-label") for d in scrolling)


def test_names_from_outside_stay_text() -> None:
    hostile = replace(
        FULL,
        folder=HOSTILE,
        account=HOSTILE,
        reasons=[reason("adopted", "thread_absent", 1, field=HOSTILE, meaning=HOSTILE)],
        notes=[note("quarantined", "not_json", field=HOSTILE, reason=HOSTILE)],
    )
    html = render_page(hostile)
    page = Page(html)
    assert "<script" not in html
    assert not page.with_tag("script")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert page.text.count(HOSTILE) >= len(("folder", "account", "field", "meaning"))


def test_a_folder_whose_name_is_no_text_is_shown_all_the_same() -> None:
    html = render_page(result(folder="/srv/\udcff/data"))
    assert "/srv/?/data" in html
    html.encode()
