"""What the files of sql/policies/ and sql/functions/ say, read as text and without a database.

The page and the diff show a policy as it is written: Postgres prints an expression differently
from one version to the next, and of an older revision there is no database to ask.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

_COMMANDS = ("all", "select", "insert", "update", "delete")
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(?P<tag>\$\w*\$).*?(?P=tag)|[();]""",
    re.DOTALL,
)
"""What a semicolon or a parenthesis is not one in, and both."""

_POLICY = re.compile(
    r"""create \s+ policy \s+ (?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>\w+))
        \s+ on \s+ (?P<table>[\w.]+)
        (?:\s+ as \s+ (?P<kind>permissive|restrictive))?
        (?:\s+ for \s+ (?P<command>all|select|insert|update|delete))?
        (?:\s+ to \s+ (?P<roles>[\w\s,]+?))?
        \s* (?=\busing\b|\bwith\s+check\b|$)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_DROPPED = re.compile(r"drop\s+policy\b", re.IGNORECASE)
_ROUTINE = re.compile(
    r"""create \s+ (?:or \s+ replace \s+)? (?:function|procedure) \s+ (?P<name>[\w.]+) \s* \(""",
    re.VERBOSE | re.IGNORECASE,
)
_BODY = re.compile(r"\bas\s+(?P<tag>\$\w*\$)(?P<body>.*?)(?P=tag)", re.IGNORECASE | re.DOTALL)
_DEFINER = re.compile(r"\bsecurity\s+definer\b", re.IGNORECASE)
_VIEW = re.compile(r"create (?:or replace )?view (?P<name>[\w.]+)", re.IGNORECASE)
_USING = re.compile(r"\s*using\s*\(", re.IGNORECASE)
_CHECK = re.compile(r"\s*with\s+check\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class WrittenPolicy:
    """A policy as a file has it. using and check are what stands in their parentheses, or empty."""

    table: str
    name: str
    command: str
    roles: tuple[str, ...]
    using: str
    check: str
    restrictive: bool

    @property
    def text(self) -> str:
        """Return all that decides, on one line; two policies that say the same have the same."""
        parts = [f"for {self.command} to {', '.join(self.roles)}"]
        parts += [f"using ({squeezed(self.using)})"] if self.using else []
        parts += [f"with check ({squeezed(self.check)})"] if self.check else []
        return ("restrictive " if self.restrictive else "") + " ".join(parts)


@dataclass(frozen=True)
class PolicyFile:
    """A file of sql/policies/: what it is about, who may and what is not granted, in its words."""

    name: str
    about: str
    who_may: str
    not_granted: str
    policies: tuple[WrittenPolicy, ...]
    statements: tuple[str, ...]
    """All statements but those that make and drop policies, each on one line."""


@dataclass(frozen=True)
class WrittenRoutine:
    """A function or view of a file.

    definer: it runs as its owner. reason: its line that says why.
    """

    name: str
    definer: bool
    reason: str
    text: str


def read_policy_file(name: str, text: str) -> PolicyFile:
    """Read a file of sql/policies/; name is its name without .sql, a table's."""
    statements = list(_statements(text))
    policies = [found for found in map(_policy, statements) if found]
    # A policy that is not understood stays among the statements: it must not pass unseen.
    others = [line for line in statements if not _policy(line) and not _DROPPED.match(line)]
    about, who_may = _heading(text)
    return PolicyFile(
        name,
        about,
        who_may,
        _not_granted(text),
        tuple(sorted(policies, key=lambda p: (_COMMANDS.index(p.command), p.roles, p.name))),
        tuple(map(squeezed, others)),
    )


def read_routines(text: str) -> list[WrittenRoutine]:
    """Read the functions and views of a file of sql/functions/.

    A function that is written once for each version of Postgres comes once a version.
    """
    found = [_routine(text, match) for match in _ROUTINE.finditer(text)]
    for statement in map(squeezed, _statements(text)):
        view = _VIEW.match(statement)
        if view:
            found.append(WrittenRoutine(view["name"], definer=False, reason="", text=statement))
    return found


def squeezed(sql: str) -> str:
    """Return SQL without comments and on one line, so that its layout does not count."""
    bare = _TOKEN.sub(lambda token: " " if _is_comment(token[0]) else token[0], sql)
    line = " ".join(bare.split())
    return line.replace("( ", "(").replace(" )", ")")


def _is_comment(token: str) -> bool:
    return token.startswith(("--", "/*"))


def _statements(text: str) -> Iterator[str]:
    """Split at semicolons that end a statement. Comments before a statement are left out."""
    begin = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            yield _without_leading_comments(text[begin : token.start()])
            begin = token.end()
    rest = _without_leading_comments(text[begin:])
    if rest:
        yield rest


def _without_leading_comments(statement: str) -> str:
    while True:
        statement = statement.strip()
        comment = re.match(r"--[^\n]*|/\*.*?\*/", statement, re.DOTALL)
        if not comment:
            return statement
        statement = statement[comment.end() :]


def _policy(statement: str) -> WrittenPolicy | None:
    bare = _blanked(statement)
    found = _POLICY.match(bare)
    if not found:
        return None
    using, end = _clause(statement, bare, found.end(), _USING)
    check, _ = _clause(statement, bare, end, _CHECK)
    return WrittenPolicy(
        table=found["table"],
        name=found["plain"] or found["quoted"].replace('""', '"'),
        command=(found["command"] or "all").lower(),
        roles=tuple(sorted(role.strip() for role in (found["roles"] or "public").split(","))),
        using=using,
        check=check,
        restrictive=(found["kind"] or "").lower() == "restrictive",
    )


def _blanked(sql: str) -> str:
    """Return SQL with spaces in place of comments, so that every place stays where it is."""
    return _TOKEN.sub(lambda t: " " * len(t[0]) if _is_comment(t[0]) else t[0], sql)


def _clause(statement: str, bare: str, begin: int, opening: re.Pattern[str]) -> tuple[str, int]:
    """Return what stands in the parentheses of a clause at a place, and where it ends.

    Nothing, and the place itself, where there is no such clause.
    """
    found = opening.match(bare, begin)
    if not found:
        return "", begin
    end = _closing(statement, found.end())
    # The first line has lost its indent to the parenthesis before it.
    first, line_break, rest = statement[found.end() : end].partition("\n")
    return (first.strip() + line_break + dedent(rest)).strip(), end + 1


def _closing(text: str, begin: int) -> int:
    """Return where the parenthesis that was opened before begin is closed."""
    depth = 1
    for token in _TOKEN.finditer(text, begin):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return token.start()
    return len(text)


def _routine(text: str, opening: re.Match[str]) -> WrittenRoutine:
    arguments = text[opening.end() : _closing(text, opening.end())]
    begin = opening.end() + len(arguments)
    body = _BODY.search(text, begin)
    head = text[begin : body.start() if body else None]
    inside = body["body"] if body else ""
    reason = re.search(r"-- Definer: (.*)", inside)
    return WrittenRoutine(
        name=f"{opening['name']}({squeezed(arguments)})",
        definer=bool(_DEFINER.search(_uncommented(head))),
        reason=reason[1].strip() if reason else "",
        text=squeezed(f"{head} {inside}"),
    )


def _uncommented(sql: str) -> str:
    return re.sub(r"--[^\n]*", " ", sql)


def _heading(text: str) -> tuple[str, str]:
    """Return the sentence on the table and the sentences on who may, of the comment on top."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    whole = " ".join(lines)
    about, _, who_may = whole.partition("Who may:")
    return _sentence(about.partition(": ")[2]), _sentence(who_may)


def _not_granted(text: str) -> str:
    """Return the comment at the end that says what nobody gets."""
    _, found, rest = text.partition("-- Not granted:")
    return _sentence(re.sub(r"\n-- ?", " ", rest)) if found else ""


def _sentence(words: str) -> str:
    """Return words as a sentence: one line, a capital in front."""
    line = " ".join(words.split())
    return line[:1].upper() + line[1:]
