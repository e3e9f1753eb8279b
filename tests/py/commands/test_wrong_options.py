"""What is wrong with an option is said in a sentence, and before anything is started."""

from pathlib import Path

import pytest

from harness.errors import ExitCode
from tests.py.commands.conftest import Invoke, run_invoke

_PARSED = 1
"""invoke's own exit code for a command line that it can't read."""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["import-legacy", "--jobs=x"], _PARSED, "--jobs takes a whole number, and not 'x'"),
        (
            ["import-legacy", "--max-quarantine=1.5"],
            _PARSED,
            "--max-quarantine takes a whole number, and not '1.5'",
        ),
        (["bench", "soak", "--minutes=nan"], _PARSED, "--minutes takes a number, and not 'nan'"),
        (["electric", "--port=65536"], ExitCode.REFUSED, "--port is from 0 to 65535"),
        (["gatekeeper", "--port=-2"], ExitCode.REFUSED, "--port is from 0 to 65535"),
        (["up", "--port=65536"], ExitCode.REFUSED, "--port is from 0 to 65535"),
        (["docs", "--out=README.md"], ExitCode.REFUSED, "README.md is not a folder"),
        (["test", "--workers=-1"], ExitCode.REFUSED, "--workers is at least 0"),
        (["ingest-sessions", "--wait=-5"], ExitCode.REFUSED, "--wait is at least 0"),
        (["maintenance", "--wait=-5"], ExitCode.REFUSED, "--wait is at least 0"),
        (["backup", "--jobs=0"], ExitCode.REFUSED, "--jobs is at least 1"),
        (["restore", "here", "--jobs=0"], ExitCode.REFUSED, "--jobs is at least 1"),
        (["maintenance", "--begin="], ExitCode.REFUSED, "--begin takes the reason"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_said_and_starts_nothing(
    words: list[str], code: int, said: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    environment = {"SESSIONBASE_HOME": str(home), "DATABASE_URL": ""}
    result = run_invoke(*words, environment=environment)
    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert not home.exists()


def test_a_name_that_is_not_utf_8_is_said(invoke: Invoke, tmp_path: Path) -> None:
    refused = invoke("export-legacy", f"--out={tmp_path}", "--account=\udcff")
    assert refused.returncode == ExitCode.REFUSED
    assert "an option's text is not UTF-8" in refused.stderr
