"""The review of a database: its catalog against the intent, and the proof on a scratch database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

from harness import console
from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.databases import create_database, drop_database
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.review.catalog import Catalog, read_catalog
from harness.review.compare import compare
from harness.review.findings import Finding
from harness.review.intent import COMMANDS, Intent, load_intent
from harness.review.proof import Proof, prove
from harness.review.trials import OUTCOMES, Outcome
from harness.settings import Settings

_PURPOSE = "review"
_NOT_ASKED = "it was not asked for"


@dataclass(frozen=True)
class Review:
    """What a review found.

    catalog: of the server's database. proof: on a scratch database beside it, of the same sql/;
    None where there was none, and unproven says why.
    """

    server: Server
    intent: Intent
    catalog: Catalog
    proof: Proof | None
    unproven: str

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding: what the catalog says, then what the proof showed."""
        proven = self.proof.findings() if self.proof else ()
        return (*compare(self.catalog, self.intent), *proven)

    @property
    def cells(self) -> int:
        """How many fields the matrix of the intent has."""
        return sum(1 for _ in self.intent.matrix())

    def facts(self) -> dict[str, Any]:
        """Return it all for JSON; of the attempts their counts."""
        proof = self.proof and {
            "postgres": self.proof.server_version,
            "cells": self.proof.cells,
            "tried": len(self.proof.attempts),
            "outcomes": self.proof.counts(),
            "by_command": {c: self.proof.counts(c) for c in COMMANDS},
            "seconds": round(self.proof.seconds, 3),
        }
        return {
            "server": self.server.label,
            "cells": self.cells,
            "findings": [finding.facts() for finding in self.findings],
            "proof": proof,
            "unproven": self.unproven,
        }


def review(settings: Settings, server: Server, tell: Tell, *, with_proof: bool = True) -> Review:
    """Compare a database with the intent and, if the login may, prove it on a scratch database.

    Raises SessionbaseError: FAILED for a mistake in the intent, PENDING for a database that is
    not migrated at all, and what connect() and Migrator raise.
    """
    intent = load_intent()
    tell("reading the catalog")
    catalog = _catalog(settings, server, tell)
    unproven = _unproven(server) if with_proof else _NOT_ASKED
    if unproven:
        return Review(server, intent, catalog, None, unproven)
    with _scratch(settings, server, tell) as scratch:
        tell("trying every cell")
        return Review(server, intent, catalog, prove(scratch, intent), "")


def report_review(found: Review, *, as_json: bool) -> ExitCode:
    """Show what was found. REVIEW_FAILED if it is anything."""
    findings = found.findings
    if as_json:
        console.show_json(found.facts())
    else:
        _show(found, findings)
    return ExitCode.REVIEW_FAILED if findings else ExitCode.OK


def _catalog(settings: Settings, server: Server, tell: Tell) -> Catalog:
    with connect(server, _PURPOSE) as connection:
        found = read_catalog(connection)
    if not found.schemas:
        # One that is only behind, or was changed by hand, is reviewed as it is.
        _migrate(settings, server, tell)
        with connect(server, _PURPOSE) as connection:
            found = read_catalog(connection)
    return found


def _migrate(settings: Settings, server: Server, tell: Tell) -> None:
    """Migrate the embedded server, which nobody else would; refuse another one."""
    if not server.embedded:
        raise SessionbaseError(
            ExitCode.PENDING,
            f"{server.label} has nothing of sessionbase yet",
            hint="Run `invoke migrate` first.",
        )
    Migrator(settings, tell=tell, warn=console.note).apply(server)


def _unproven(server: Server) -> str:
    """Return why there can be no proof on a server; nothing if there can."""
    with connect(server, _PURPOSE) as connection:
        if not _is(connection, "select rolsuper from pg_roles where rolname = current_user"):
            return "the login is no superuser, which is what it takes to act as every role"
        if _is(connection, "select pg_is_in_recovery()"):
            return "the server is a standby, where no scratch database can be made"
    return ""


def _is(connection: Connection, question: LiteralString) -> bool:
    row = connection.execute(question).fetchone()
    return bool(row and row[0])


@contextmanager
def _scratch(settings: Settings, server: Server, tell: Tell) -> Iterator[Server]:
    """Give a migrated database beside the server's own, and drop it afterwards."""
    name = f"sessionbase_review_{os.getpid()}"
    try:
        tell("making a scratch database")
        scratch = create_database(server, name, "template0", _PURPOSE)
        Migrator(settings, tell=tell, warn=console.note).apply(scratch)
        yield scratch
    finally:
        drop_database(server, name, _PURPOSE)


def _show(found: Review, findings: tuple[Finding, ...]) -> None:
    if findings:
        columns = ["code", "object", "role", "found", "wanted"]
        rows = [[getattr(finding, column) for column in columns] for finding in findings]
        console.show_table(f"{found.server.label}: not as intended", columns, rows)
    if found.proof:
        _show_proof(found.proof)
    else:
        console.say(f"Nothing was proved by doing: {found.unproven}.")
    count = f"findings: {len(findings)}" if findings else "no finding"
    console.say(f"{found.server.label}: {found.cells} cells, {count}")


def _show_proof(proof: Proof) -> None:
    counts: dict[str, dict[Outcome, int]] = {c: proof.counts(c) for c in COMMANDS}
    outcomes = [outcome for outcome in OUTCOMES if outcome in proof.counts()]
    counts["together"] = proof.counts()
    rows = [
        [name, sum(of.values()), *(of.get(outcome, 0) for outcome in outcomes)]
        for name, of in counts.items()
    ]
    title = f"tried on a scratch database, Postgres {proof.server_version}"
    console.show_table(title, ["command", "tried", *outcomes], rows)
    console.say(f"{proof.cells} cells tried in {proof.seconds:.1f} s, each beside its control.")
