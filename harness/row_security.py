"""Runs pgrls, an analyser of row level security, and holds its findings to what is accepted.

A finding is a rule and the name of what it is about. Of a policy the name ends with whom the
policy is for, which pgrls leaves out: one that is accepted for Electric is not for app_user.
"""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.connections import Server, connect
from harness.databases import create_database
from harness.embedded.guardian import temporary_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import PROJECT, Settings

CONFIG = PROJECT / "pgrls.toml"
"""What pgrls is told, and which of its findings are accepted, why."""

_RAN = (0, 1)


@dataclass(frozen=True, order=True)
class Finding:
    """A fault that pgrls sees, or one that is accepted."""

    rule: str
    name: str


def lint(settings: Settings) -> list[str]:
    """Judge a new database with all of sql/ applied, on a server of its own.

    Raises what judge() and Migrator.apply() raise.
    """
    with temporary_postgres(settings) as server:
        database = create_database(server, "analysed", "template0", "lint")
        Migrator(settings).apply(database)
        return judge(database)


def judge(server: Server, config: Path = CONFIG) -> list[str]:
    """Say, a line each, what pgrls finds that is not accepted, and what is accepted but not found.

    Raises SessionbaseError: MISSING_TOOL, or FAILED where pgrls or its file is out of order.
    """
    accepted = _accepted(config)
    found = _found(server, config)
    unknown = [
        f"{finding.rule} {finding.name}: {message}"
        for finding, message in sorted(found.items())
        if finding not in accepted
    ]
    idle = [
        f"{finding.rule} {finding.name}: accepted in {config.name}, but not found any more"
        for finding in sorted(accepted - found.keys())
    ]
    return unknown + idle


def _found(server: Server, config: Path) -> dict[Finding, str]:
    """Return all that pgrls finds, each with its first sentence."""
    if find_spec("pgrls") is None:
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            "pgrls is not installed",
            hint="python3 -m pip install -e '.[test]'",
        )
    # The address is no argument, for it holds the password and arguments are for all to see.
    result = subprocess.run(
        [sys.executable, "-m", "pgrls", "lint", "--config", str(config), "--format", "json"],
        check=False,
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": server.conninfo},
        capture_output=True,
        text=True,
    )
    if result.returncode not in _RAN:
        raise SessionbaseError(ExitCode.FAILED, f"pgrls does not run: {result.stderr.strip()}")
    whom = _whom_policies_are_for(server)
    return {
        Finding(one["rule_id"], one["location"] + whom.get(one["location"], "")): (
            one["message"].partition(". ")[0]
        )
        for one in json.loads(result.stdout)["violations"]
    }


def _accepted(config: Path) -> set[Finding]:
    """Read what is accepted. Raises SessionbaseError (FAILED) for an entry without a reason."""
    accepted: set[Finding] = set()
    for entry in tomllib.loads(config.read_text(encoding="utf-8")).get("accepted", []):
        if not entry.get("why", "").strip():
            raise SessionbaseError(
                ExitCode.FAILED,
                f"{config.name} accepts {', '.join(entry['rules'])} and does not say why",
                hint="Each [[accepted]] has rules, why and at.",
            )
        accepted |= {Finding(rule, name) for rule in entry["rules"] for name in entry["at"]}
    return accepted


def _whom_policies_are_for(server: Server) -> dict[str, str]:
    with connect(server, "lint") as connection:
        rows = connection.execute(
            """
            select
                schemaname || '.' || tablename || '.' || policyname,
                ' to ' || array_to_string(array(select unnest(roles) order by 1), ', ')
            from pg_catalog.pg_policies
            """
        ).fetchall()
    return dict(rows)
