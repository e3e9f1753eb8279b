"""Node programs at work with Electric's official clients, and what they say."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.guide.page import CLIENTS
from harness.node import find_node, install_packages, lay_out
from harness.settings import PROJECT, Settings

NODE_PROJECT = PROJECT / "tests" / "clients"
_PATIENCE_S = 90

Fact = dict[str, Any]


class Client:
    """A client at work, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.heard: list[Fact] = []

    def until(self, is_it: Callable[[Fact], bool]) -> Fact:
        """Listen until it says what is waited for. A client that does not in time is ended."""
        for line in self._process.stdout or []:
            fact: Fact = json.loads(line)
            self.heard.append(fact)
            if is_it(fact):
                return fact
        raise AssertionError(f"the client ended; it said {[*map(_short, self.heard[-5:])]}")

    def until_said(self, **facts: object) -> Fact:
        """Listen until it says this, whatever else it says with it."""
        return self.until(lambda fact: facts.items() <= fact.items())

    def until_rows(self, *contents: str) -> list[Fact]:
        """Listen until it has rows with these contents and no others; return them."""
        fact = self.until(
            lambda fact: (
                sorted(row["content"] for row in fact.get("rows", [])) == sorted(contents)
                and fact.get("count") == len(contents)
            )
        )
        rows: list[Fact] = fact["rows"]
        return rows

    def tell(self, command: str, **given: object) -> None:
        """Tell it to do something."""
        if self._process.stdin is None:
            raise AssertionError("a client is started with a pipe to it")
        self._process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self._process.stdin.flush()


def _short(fact: Fact) -> Fact:
    if "rows" in fact:
        return {"count": fact["count"], "contents": [row["content"] for row in fact["rows"]]}
    return fact


def lay_out_programs(settings: Settings, folder: Path) -> None:
    """Copy the programs, and the examples that they use, to a folder that has their packages."""
    packages = install_packages(NODE_PROJECT, settings, print)
    lay_out(folder, packages, [*NODE_PROJECT.glob("*.mjs"), *CLIENTS.glob("*.mjs")])


@contextmanager
def running(folder: Path, program: str, environment: Mapping[str, str]) -> Iterator[Client]:
    """Run a program of a folder until the caller is done, or for as long as it may take."""
    process = subprocess.Popen(
        [str(find_node()), program],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    patience = threading.Timer(_PATIENCE_S, process.kill)
    patience.start()
    with process:
        try:
            yield Client(process)
        finally:
            patience.cancel()
            process.kill()
