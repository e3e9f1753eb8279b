"""docs/policies.md and the page of a review hold all there is, escaped, and need no network."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.connections import Server, connect
from harness.errors import ExitCode
from harness.review.catalog import Catalog, read_catalog
from harness.review.changes import Change
from harness.review.findings import Finding
from harness.review.intent import Intent, load_intent, parse_intent
from harness.review.matrix import read_policy_files
from harness.review.ownership import Branch, ForeignKey, ownership, read_foreign_keys
from harness.review.page import render_html, render_markdown, stale
from harness.review.paper import Paper, PaperReview, ask_for, put_on_paper, report_on_paper
from harness.review.policy_files import PolicyFile, read_policy_file
from harness.review.proof import Attempt, Proof
from harness.review.review import Review
from harness.settings import SQL
from harness.testing.servers import Databases

HOSTILE = '<script>alert(1)</script>"\' onload="x" {{ 7 * 7 }} &amp; | `x` ```\u202e'
VOID = {"meta", "br", "link", "img", "input", "wbr", "path", "rect"}

SMALL = """
roles:
  reader: {what: "Reads.", attributes: [nologin]}
  sessionbase_owner: {what: "Owns.", attributes: [nologin]}
schemas: {}
tables:
  app.notes:
    reader:
      select: own
  app.books:
    no_row_security: "no account data"
    reader:
      select: all
functions:
  "app.f()": {owner: reader, definer: "it must be one.", execute: []}
publications: []
"""
NOTES = """-- app.notes: what is written.
-- Who may: a reader reads.
create policy "A reader reads its own" on app.notes
for select to reader
using (owner = (select app.asking()));
-- Not granted: the rest.
"""


@pytest.fixture(scope="module")
def real(databases: Databases) -> Iterator[tuple[Server, Catalog, tuple[ForeignKey, ...]]]:
    """Give a migrated database, its catalog and its foreign keys."""
    with databases.migrated() as server, connect(server, "test") as connection:
        yield server, read_catalog(connection), read_foreign_keys(connection)


@pytest.fixture(scope="module")
def intent() -> Intent:
    return load_intent()


@pytest.fixture
def markdown(real: tuple[Server, Catalog, tuple[ForeignKey, ...]], intent: Intent) -> str:
    return render_markdown(intent, real[1], real[2])


@pytest.fixture(scope="module")
def small(real: tuple[Server, Catalog, tuple[ForeignKey, ...]]) -> Catalog:
    """Give a catalog without tables and functions."""
    return replace(real[1], tables={}, functions={})


def attempt(role: str, table: str, outcome: str, **overrides: object) -> Attempt:
    plain = Attempt(
        role=role,
        principal="",
        table=table,
        command="select",
        intent="own",
        aim="a row of another",
        expected=(outcome,),  # type: ignore[arg-type]
        outcome=outcome,  # type: ignore[arg-type]
        rows=0,
        control=True,
        error="",
    )
    return replace(plain, **overrides)  # type: ignore[arg-type]


def proof(*attempts: Attempt) -> Proof:
    return Proof("18.6", attempts, len(attempts), 1.5)


def files() -> dict[str, PolicyFile]:
    return {"app.notes": read_policy_file("app.notes", NOTES)}


class Page(HTMLParser):
    """A page taken apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that opens."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """See that tags are closed in order."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """Return all text, on one line."""
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        """Return the values of an attribute."""
        return [str(found[name]) for _, found in self.tags if name in found]


def test_markdown_has_every_role_and_table(
    real: tuple[Server, Catalog, tuple[ForeignKey, ...]], intent: Intent, markdown: str
) -> None:
    headings = re.findall(r"^### (.+)$", markdown, re.MULTILINE)
    assert headings == sorted(intent.roles) + sorted({*intent.tables, *real[1].tables})


def test_markdown_has_every_policy_as_its_file_has_it(markdown: str) -> None:
    written = [policy for file in read_policy_files().values() for policy in file.policies]
    assert len(written) == sum(
        path.read_text().count("create policy") for path in (SQL / "policies").glob("*.sql")
    )
    for policy in written:
        assert f"**{policy.name}.**" in markdown
        for text in filter(None, (policy.using, policy.check)):
            assert f"```sql\n{text}\n```" in markdown


def test_markdown_has_every_word_of_the_matrix(intent: Intent, markdown: str) -> None:
    section = markdown[markdown.index("### app_user\n") : markdown.index("### authorizer\n")]
    rows = re.findall(r"^\| `([\w.]+)` \|(.*)\|$", section, re.MULTILINE)
    assert rows
    for table, words in rows:
        said = [word.strip() for word in words.split("|")]
        commands = ("select", "insert", "update", "delete")
        assert said == [intent.cell("app_user", table, command).rows for command in commands]  # type: ignore[arg-type]


def test_markdown_has_the_reason_of_every_definer(intent: Intent, markdown: str) -> None:
    reasons = [said.definer for said in intent.functions.values() if said.definer]
    assert reasons
    for signature, said in intent.functions.items():
        assert f"`{signature}`" in markdown
        assert said.definer is None or said.definer in markdown


def test_markdown_is_the_same_in_whatever_order_it_is_read(
    real: tuple[Server, Catalog, tuple[ForeignKey, ...]], intent: Intent, markdown: str
) -> None:
    _, catalog, keys = real
    turned = replace(catalog, tables=dict(reversed(catalog.tables.items())))
    other = Intent.model_validate(
        intent.model_dump() | {"tables": dict(reversed(intent.model_dump()["tables"].items()))}
    )
    read = dict(reversed(read_policy_files().items()))
    assert render_markdown(other, turned, keys[::-1], read) == markdown


def test_markdown_says_nothing_of_the_server(
    real: tuple[Server, Catalog, tuple[ForeignKey, ...]], intent: Intent, markdown: str
) -> None:
    _, catalog, keys = real
    elsewhere = replace(
        catalog,
        database="elsewhere",
        migrators=frozenset({"somebody"}),
        policies=tuple(replace(policy, using="otherwise") for policy in catalog.policies),
    )
    assert render_markdown(intent, elsewhere, keys) == markdown


def test_a_table_that_the_intent_leaves_out_is_shown(
    real: tuple[Server, Catalog, tuple[ForeignKey, ...]], intent: Intent
) -> None:
    _, catalog, keys = real
    more = catalog.tables | {"app.stray": replace(catalog.tables["app.todos"], name="app.stray")}
    catalog = replace(catalog, tables=more)
    markdown = render_markdown(intent, catalog, keys)
    assert "### app.stray\n\n**The intent says nothing of it.**" in markdown
    assert "The intent says nothing of it." in Page(render_html(intent, catalog, None)).text


def test_markdown_is_escaped(small: Catalog) -> None:
    intent = parse_intent(SMALL, "small")
    bad = intent.model_copy(
        update={"roles": {"reader": intent.roles["reader"].model_copy(update={"what": HOSTILE})}}
    )
    policy = replace(files()["app.notes"].policies[0], using="a = '```' or true")
    read = {"app.notes": replace(files()["app.notes"], about=HOSTILE, policies=(policy,))}
    markdown = render_markdown(bad, small, (), read)
    assert "<script>" not in markdown.replace("\\<", "")
    assert "\\|" in markdown
    assert "{{ 7 * 7 }}".replace("*", "\\*") in markdown
    assert "````sql\na = '```' or true\n````" in markdown


@pytest.mark.parametrize("told", ["same", "other", "absent"])
def test_a_stale_file_is_found(tmp_path: Path, told: str) -> None:
    path = tmp_path / "policies.md"
    if told != "absent":
        path.write_text(told)
    assert stale(path, "same") is (told != "same")


@pytest.fixture
def found(
    real: tuple[Server, Catalog, tuple[ForeignKey, ...]],
    intent: Intent,
    monkeypatch: pytest.MonkeyPatch,
) -> Review:
    """Return a review without findings of its own."""
    monkeypatch.setattr(Review, "findings", ())
    return Review(real[0], intent, real[1], None, "it was not asked for")


def test_a_stale_document_is_a_finding_until_it_is_written(tmp_path: Path, found: Review) -> None:
    document = tmp_path / "policies.md"
    look, write = Paper(False, None, "", ()), Paper(True, None, "", ())
    assert [f.code for f in put_on_paper(found, look, document).findings] == ["document-stale"]
    assert not document.exists()
    assert put_on_paper(found, write, document).findings == ()
    assert put_on_paper(found, look, document).findings == ()
    document.write_text(document.read_text() + "\n")
    stale_now = put_on_paper(found, look, document)
    assert report_on_paper(stale_now, "", as_json=True) == ExitCode.REVIEW_FAILED


def test_what_is_asked_for_is_written_and_told(
    tmp_path: Path, found: Review, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    asked = ask_for(write=True, page=str(page), revision="")
    change = Change("cell", "app.todos", "app_user select: all, was own: wider", wider=True)
    paper = replace(asked, revision="v1", changes=(change,))
    done = put_on_paper(found, paper, tmp_path / "policies.md")
    assert isinstance(done, PaperReview)
    assert change.words in Page(page.read_text(encoding="utf-8")).text
    assert report_on_paper(done, "v1", as_json=False) == ExitCode.OK
    assert f"WIDER  app.todos: {change.words}" in capsys.readouterr().out
    assert done.facts()["changes"] == [
        {"kind": "cell", "where": "app.todos", "words": change.words, "wider": True}
    ]


def test_the_page_needs_nothing_and_every_link_leads_somewhere(
    real: tuple[Server, Catalog, tuple[ForeignKey, ...]], intent: Intent
) -> None:
    _, catalog, keys = real
    change = Change("cell", "app.todos", "wider", wider=True)
    finding = Finding("code", "app.todos", "", "found", "wanted")
    text = render_html(
        intent, catalog, None, keys, findings=[finding], revision="v1", changes=[change]
    )
    page = Page(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert page.attributes("src") == []
    assert "url(" not in text
    assert "@import" not in text
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    links = page.attributes("href")
    assert len(links) > len(intent.roles) * len(intent.tables)
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_each_cell_has_its_colour_its_word_and_its_policies(small: Catalog) -> None:
    intent = parse_intent(SMALL, "small")
    text = render_html(intent, small, None, (), files())
    page = Page(text)
    assert '<td class="own"><a href="#cell-reader-app.notes"><b>own</b>' in text
    assert '<td class="all"><a href="#cell-reader-app.books"><b>all</b>' in text
    assert '<td class="never"><a href="#cell-sessionbase_owner-app.notes"><b>never</b>' in text
    # Its owner is bound by nothing there.
    assert '<td class="owner"><a href="#cell-sessionbase_owner-app.books"><b>owner</b>' in text
    assert "“A reader reads its own” using ( owner = (select app.asking()) )" in page.text
    assert "The grant decides alone. No row level security: no account data." in page.text
    assert "it must be one." in page.text
    assert "not pinned" in page.text


def test_the_page_counts_what_came_of_the_proof(small: Catalog) -> None:
    intent = parse_intent(SMALL, "small")
    tried = proof(
        attempt("reader", "app.notes", "allowed"),
        attempt("reader", "app.notes", "filtered"),
        attempt("reader", "app.notes", "filtered"),
        attempt("sessionbase_owner", "app.notes", "denied"),
    )
    text = Page(render_html(intent, small, tried, (), files())).text
    assert "All 4 attempts on 4 cells came as meant." in text
    assert "tried 3 times: 1 allowed, 2 filtered by policy" in text
    assert "tried once: 1 denied by grant" in text


def test_the_page_shows_what_was_not_as_meant(small: Catalog) -> None:
    intent = parse_intent(SMALL, "small")
    wrong = attempt("reader", "app.notes", "allowed", expected=("filtered",), aim="a row of B")
    empty = attempt("reader", "app.books", "allowed", control=False)
    finding = Finding("row-security-off", "app.notes", "", "it is off", "on")
    page = render_html(intent, small, proof(wrong, empty), (), files(), findings=[finding])
    text = Page(page).text
    assert "2 attempts of 2 did not come as meant" in text
    assert "a row of B filtered (own) allowed" in text
    assert "tried once: 1 allowed; 1 not as meant" in text
    assert "nothing was at stake" in text
    assert "app.notes - it is off on row-security-off" in text
    assert "came as meant." not in text


def test_without_a_proof_the_page_says_so(small: Catalog) -> None:
    page = Page(render_html(parse_intent(SMALL, "small"), small, None, (), files()))
    assert "Nothing was tried: this is what is meant and written" in page.text
    assert " tried" not in page.text.replace("Nothing was tried", "")


def test_the_page_escapes_every_value(small: Catalog) -> None:
    intent = parse_intent(SMALL, "small")
    reader = intent.roles["reader"].model_copy(update={"what": HOSTILE})
    function = intent.functions["app.f()"].model_copy(update={"definer": HOSTILE})
    bad = intent.model_copy(
        update={
            "roles": intent.roles | {"reader": reader},
            "functions": {HOSTILE: function},
        }
    )
    policy = replace(files()["app.notes"].policies[0], name=HOSTILE, using=HOSTILE, check=HOSTILE)
    file = replace(
        files()["app.notes"],
        about=HOSTILE,
        who_may=HOSTILE,
        not_granted=HOSTILE,
        policies=(policy,),
    )
    wrong = attempt("reader", "app.notes", "failed", aim=HOSTILE, error=HOSTILE, control=True)
    text = render_html(
        bad,
        small,
        proof(replace(wrong, expected=())),
        (),
        {"app.notes": file},
        findings=[Finding(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)],
        revision=HOSTILE,
        changes=[Change("cell", HOSTILE, HOSTILE, wider=True)],
    )
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.attributes("onload") == []
    assert "49" not in page.text
    assert page.text.count("<script>alert(1)</script>\"' onload") >= 15


def test_a_name_that_is_no_text_can_be_written(small: Catalog) -> None:
    changes = [Change("cell", "app.\udce4", "wider", wider=True)]
    text = render_html(
        parse_intent(SMALL, "s"), small, None, (), files(), revision="v1", changes=changes
    )
    assert "app.?" in text
    text.encode()


def test_a_table_stands_below_the_one_its_rows_belong_to() -> None:
    tables = ["a.message", "a.account", "a.session", "a.alone", "a.thread"]
    keys = [
        ForeignKey("a.session", "a.account"),
        ForeignKey("a.thread", "a.session"),
        ForeignKey("a.message", "a.session"),
        ForeignKey("a.message", "a.thread"),
        ForeignKey("a.message", "a.message"),
    ]
    assert ownership(tables, keys) == [
        Branch("a.account", 0, None, (), ()),
        Branch("a.session", 1, 0, (False,), ()),
        Branch("a.thread", 2, 1, (False, False), ()),
        Branch("a.message", 3, 2, (False, False, False), ("a.session",)),
        Branch("a.alone", 0, None, (), ()),
    ]


def test_tables_in_a_ring_are_all_there() -> None:
    keys = [ForeignKey("a.x", "a.y"), ForeignKey("a.y", "a.x"), ForeignKey("a.z", "a.x")]
    assert {branch.table for branch in ownership(["a.x", "a.y", "a.z"], keys)} == {
        "a.x",
        "a.y",
        "a.z",
    }
