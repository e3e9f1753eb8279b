"""Does what a page says, as its reader would."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.connections import Server
from harness.embedded.binaries import find_program
from harness.guide.page import CLIENTS
from harness.node import install_packages, lay_out, run_node
from harness.settings import PROJECT, Settings
from tests.py.documents.reading import Block, Fate
from tests.py.guide.running import ACCOUNT, NODE_PROJECT

_AS_ACCOUNT = f"""\\set QUIET on
begin;
set local role app_user;
select set_config('request.jwt.claims', '{{"sub": "{ACCOUNT}"}}', true) \\g /dev/null
\\set QUIET off
"""
_NODE = f"""
const account = '{ACCOUNT}';
process.on('beforeExit', async () => (await import('./api.mjs')).pool.end());
"""
_PYTHON = f"""
import sys
from uuid import UUID
from harness.connections import Server, connect
from harness.upload_files import About
from harness.uploads import read_upload, store_upload

server = Server("", embedded=False)
account_id = UUID("{ACCOUNT}")
"""
_LOG = '{"type": "session_meta"}\n'
_SECONDS = 120


@dataclass(frozen=True)
class Printed:
    """What a block printed, errors too, and how it ended: an exit code."""

    text: str
    code: int


class Reader:
    """Follows a page from top to bottom, on one database and in one folder.

    server: migrated, with the samples.
    values: what stands for names in the values of blocks.yaml: {empty}, a database, and the like.
    """

    def __init__(
        self, server: Server, folder: Path, settings: Settings, values: Mapping[str, str]
    ) -> None:
        self.server = server
        self._folder = folder
        self._settings = settings
        self._values = values
        for name in ("tasks.py", "examples", "deploy", "docs", "sql"):
            (folder / name).symlink_to(PROJECT / name)
        (folder / "log.jsonl").write_text(_LOG)
        shutil.copytree(PROJECT / "examples" / "sessions", folder / ".codex" / "sessions")
        programs = folder / "bin"
        programs.mkdir()
        # Not another one that this machine has: the one of this environment.
        invoke = programs / "invoke"
        invoke.write_text(f'#!/bin/sh\nexec {sys.executable} -m invoke "$@"\n')
        invoke.chmod(0o755)

    def text_of(self, block: Block, fate: Fate) -> str:
        """Return the text of a block, with the reader's own values in it."""
        text = block.text
        for word, value in fate.values.items():
            assert word in text, f"{block.page}:{block.line} has no {word}"
            text = text.replace(word, value.format(**self._values))
        return text

    def follow(self, block: Block, fate: Fate) -> Printed:
        """Run a block, with the reader's own values in it."""
        text = self.text_of(block, fate)
        ways = {
            "shell": self._shell,
            "transcript": self._first_line,
            "psql": self._psql,
            "account": lambda sql: self._psql(_AS_ACCOUNT + sql),
            "node": self._node,
            "python": self._python,
        }
        assert fate.run
        return ways[fate.run](text)

    def _shell(self, text: str) -> Printed:
        return self._call(["/bin/bash", "-e", "-o", "pipefail", "-c", text])

    def _first_line(self, text: str) -> Printed:
        return self._shell(text.splitlines()[0])

    def _psql(self, text: str) -> Printed:
        options = ["--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=-"]
        return self._call([str(find_program(self._settings, "psql")), *options], given=text)

    def talk(self, server: Server, statements: str) -> str:
        """Say something to a server by psql, as a dialogue goes: on after an error too."""
        command = [str(find_program(self._settings, "psql")), "--no-psqlrc", "--file=-"]
        told = self._call(command, statements, server.environment()).text
        return re.sub(r"^psql:<stdin>:\d+: ", "", told, flags=re.MULTILINE)

    def _python(self, text: str) -> Printed:
        return self._call([sys.executable, "-c", _PYTHON + text])

    def _node(self, text: str) -> Printed:
        folder = self._folder / "node"
        folder.mkdir()
        packages = install_packages(NODE_PROJECT, self._settings, print)
        lay_out(folder, packages, [*CLIENTS.glob("*.mjs"), self._folder / "log.jsonl"])
        program = folder / "program.mjs"
        program.write_text(text if "const account" in text else _NODE + text)
        done = run_node(program, self.server.environment(), _SECONDS)
        return Printed(done.stdout + done.stderr, done.returncode)

    def _call(
        self, command: list[str], given: str = "", server: dict[str, str] | None = None
    ) -> Printed:
        done = subprocess.run(
            command,
            check=False,
            cwd=self._folder,
            env=self._environment() | (server or {}),
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
        )
        return Printed(done.stdout, done.returncode)

    def _environment(self) -> dict[str, str]:
        return self.server.environment() | {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(PROJECT),
            "DATABASE_URL": self.server.conninfo,
            "SESSIONBASE_HOME": str(self._folder / "home"),
        }
