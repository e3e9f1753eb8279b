"""Makes a site of the documents, by Sphinx. docs/conf.py says how it looks."""

import subprocess
from pathlib import Path

from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.quality import find_tool
from harness.settings import PROJECT


def build_site(out: Path, tell: Tell, source: Path = PROJECT / "docs") -> Path:
    """Write the site to a folder; return its first page.

    Raises SessionbaseError: REFUSED if the place is taken by a file, MISSING_TOOL
    without Sphinx, FAILED with every warning that it has.
    """
    if out.exists() and not out.is_dir():
        raise SessionbaseError(
            ExitCode.REFUSED, f"{out} is not a folder", hint="Name a folder in --out."
        )
    tell(f"making a site of {source.name}/")
    options = ["-b", "html", "--quiet", "--fail-on-warning", "--keep-going"]
    built = subprocess.run(
        [find_tool("sphinx-build"), *options, str(source), str(out)],
        check=False,
        capture_output=True,
        text=True,
    )
    if built.returncode != 0:
        raise SessionbaseError(
            ExitCode.FAILED,
            f"the site is not clean:\n{built.stderr.strip()}",
            hint="A page that no list of contents has belongs into docs/index.md.",
        )
    return out / "index.html"
