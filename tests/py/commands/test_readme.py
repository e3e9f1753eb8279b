"""The README shows what really happens."""

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.settings import PROJECT
from tests.py.commands.conftest import run_invoke
from tests.py.documents.reading import documents

Invoke = Callable[..., subprocess.CompletedProcess[str]]


def shown_block() -> str:
    """Return the README's block of output below the first command."""
    readme = (PROJECT / "README.md").read_text()
    return readme.split("imports the samples of `examples/legacy/`:\n\n```\n")[1].split("```")[0]


def words(text: str) -> list[str]:
    """Return the words, without lines of tables and numbers of ports."""
    return re.sub(r"127\.0\.0\.1:\d+|─+", "", text).split()


def test_the_first_command_prints_what_the_readme_shows(invoke_embedded: Invoke) -> None:
    result = invoke_embedded("import-legacy")
    printed = words(result.stderr + result.stdout)
    shown = words(shown_block())
    assert "adopted" in shown
    # A long sentence is folded in the table's last column, so only the order of words counts.
    assert printed == shown


def test_every_command_of_the_readme_is_one() -> None:
    rows = re.findall(r"^\| `invoke ([a-z-]+)", (PROJECT / "README.md").read_text(), re.MULTILINE)
    result = run_invoke("--list", environment={})
    known = set(re.findall(r"^  ([a-z-]+)", result.stdout, re.MULTILINE))
    assert len(set(rows)) > 20
    assert set(rows) - known == set()


def test_every_link_of_the_documents_leads_somewhere() -> None:
    followed = 0
    for page in documents():
        document = PROJECT / page
        prose = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
        for link in re.findall(r"\]\(([^)#]+)", prose):
            assert link.startswith("http") or (document.parent / link).exists(), (page, link)
            followed += 1
    assert followed > 100


LOADING = """
import sys

class Absent:
    names = set(sys.argv[1:])

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import tasks
"""


def brought_by(package: str, extra: str = "") -> set[str]:
    """Return a package and all that installing it brings along."""
    found: set[str] = {canonicalize_name(package)}
    for line in requires(package) or []:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            for wanted in ("", *needed.extras):
                found |= brought_by(needed.name, wanted)
    return found


def test_every_command_loads_without_what_only_tests_need() -> None:
    brought = brought_by("sessionbase")
    absent = {
        name
        for name, packages in packages_distributions().items()
        if not brought & {canonicalize_name(package) for package in packages}
    }
    assert {"httpx", "pytest"} <= absent
    done = subprocess.run(
        [sys.executable, "-c", LOADING, *absent],
        check=False,
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
