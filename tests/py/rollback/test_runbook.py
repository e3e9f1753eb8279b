"""A new operator does what docs/runbook.md says, from top to bottom, and sees what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from harness.settings import EXAMPLES, PROJECT
from tests.py.documents.showing import missing

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


def test_the_page_can_be_followed(open_folder: Path) -> None:
    page = (PROJECT / "docs" / "runbook.md").read_text(encoding="utf-8")
    data = shutil.copytree(EXAMPLES, open_folder / "data")
    was = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
    (_, variables), *blocks = BLOCKS.findall(page)
    assert "/srv/viewer/data" in variables
    variables = variables.replace("/srv/viewer/data", str(data))
    variables = variables.replace("/srv/night", str(open_folder / "night"))
    printed = ""
    try:
        for kind, block in blocks:
            if kind == "text":
                assert not missing(block, printed), printed
                continue
            printed = run(variables + block, open_folder / "home", open_folder)
            if "--archive" in block:
                there = {name: (data / name).read_bytes() for name in was}
                assert there == was
    finally:
        run("invoke pg-stop", open_folder / "home", open_folder)
    assert (open_folder / "night" / "cutover.html").exists()
    assert list(data.glob("before-rollback-*"))
