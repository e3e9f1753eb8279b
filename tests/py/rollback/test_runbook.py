"""A new operator does what docs/runbook.md says, from top to bottom, and sees what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.settings import EXAMPLES, PROJECT

BLOCKS = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LONGEST_S = 300


def run(commands: str, home: Path, folder: Path) -> str:
    """Run commands as a terminal would; return all that they print."""
    invoke = f'invoke() {{ "{sys.executable}" -m invoke "$@"; }}\n'
    done = subprocess.run(
        ["/bin/bash", "-e", "-o", "pipefail", "-c", invoke + commands],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SESSIONBASE_HOME": str(home),
            "DATABASE_URL": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    assert "Traceback" not in done.stdout
    return done.stdout


def shows(printed: str, expected: str) -> str:
    """Return the first expected line that is not printed behind those before it; else nothing."""
    lines = iter(printed.splitlines())
    for line in expected.splitlines():
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        if not any(pattern.search(one) for one in lines):
            return line
    return ""


def test_a_line_that_is_missing_is_found() -> None:
    assert not shows("one\ntwo 2 b\nthree", "one\ntwo … b")
    assert shows("one\ntwo", "two\none") == "one"


def test_the_page_can_be_followed() -> None:
    page = (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8")
    with TemporaryDirectory(prefix="sessionbase-test-") as parent:
        # Any account can pass through: as root the embedded server is another's.
        folder = Path(parent)
        folder.chmod(0o711)
        data = shutil.copytree(EXAMPLES, folder / "data")
        was = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
        (_, variables), *blocks = BLOCKS.findall(page)
        assert "/srv/viewer/data" in variables
        variables = variables.replace("/srv/viewer/data", str(data))
        variables = variables.replace("/srv/night", str(folder / "night"))
        printed = ""
        try:
            for kind, block in blocks:
                if kind == "text":
                    assert not shows(printed, block), printed
                    continue
                printed = run(variables + block, folder / "home", folder)
                if "--archive" in block:
                    there = {name: (data / name).read_bytes() for name in was}
                    assert there == was
        finally:
            run("invoke pg-stop", folder / "home", folder)
        assert (folder / "night" / "cutover.html").exists()
        assert list((data).glob("before-rollback-*"))
