"""`invoke drill` itself, for a few seconds."""

import json
import os
import subprocess
import sys
from random import Random

from drill.faults import Fault
from drill.run import in_turn
from harness.settings import PROJECT, Settings
from tests.py.faults.test_faults import FAULTS

_PATIENCE_S = 300
KINDS = {name for name, _, _ in FAULTS} | {"postgres_kill", "postgres_stop"}


def drill(
    settings: Settings, *options: str, electric_url: str = "", database_url: str = ""
) -> tuple[int, str, str]:
    """Run it; return its exit code and what it printed."""
    environment = {
        "SESSIONBASE_HOME": str(settings.home),
        "DATABASE_URL": database_url,
        "ELECTRIC_URL": electric_url,
    }
    if settings.postgres_bin:
        environment["SESSIONBASE_POSTGRES_BIN"] = str(settings.postgres_bin)
    result = subprocess.run(
        [sys.executable, "-m", "invoke", "drill", *options],
        check=False,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    return result.returncode, result.stdout, result.stderr


def test_it_says_what_it_injected_and_what_it_checked(settings: Settings) -> None:
    # Where nothing listens: it is left alone.
    elsewhere = "http://127.0.0.1:1"
    code, printed, noted = drill(
        settings, "--minutes", "0.1", "--seed", "8", "--json", electric_url=elsewhere
    )
    assert code == 0, printed + noted
    assert "the stand-in for Electric; not on what ELECTRIC_URL leads to" in noted
    assert "seed 8" in noted
    said = json.loads(printed)
    assert said["holds"]
    assert said["on"] == "a private Postgres, and the stand-in for Electric"
    assert said["kept"] is None
    assert said["injected"]
    for each in said["injected"]:
        assert each["seen"]
    assert [check["name"] for check in said["checks"] if not check["holds"]] == []
    looked_at = {check["name"]: check["looked_at"] for check in said["checks"]}
    assert looked_at["no acknowledged write lost, none doubled"]["acknowledged"] > 10
    assert looked_at["clients have the database's rows, told in order"]["rows"] > 10
    assert looked_at["imports end as an undisturbed one"]["imports"] > 0
    # In so little time few have their turn, and which had none is said.
    injected = {each["name"] for each in said["injected"]}
    assert injected.isdisjoint(said["not_injected"])
    assert injected | said["not_injected"].keys() == KINDS


def test_a_time_that_is_none_is_refused(settings: Settings) -> None:
    code, _, noted = drill(settings, "--minutes", "0")
    assert code == 41
    assert "--minutes must be more than 0" in noted
    assert "the stand-in for Electric\n" in noted
    urls = {"electric_url": "http://127.0.0.1:1", "database_url": "postgresql://u:canary@h/d"}
    _, _, noted = drill(settings, "--minutes", "0", **urls)
    assert "not on what DATABASE_URL and ELECTRIC_URL lead to" in noted
    assert "canary" not in noted


def test_one_seed_gives_the_same_faults_in_the_same_order() -> None:
    faults = [Fault(name, f"{name} {n}", lambda _: "") for name in "abcd" for n in range(3)]

    def first(seed: int) -> list[str]:
        turns = in_turn(faults, Random(seed))  # noqa: S311 - nothing of it is secret
        return [next(turns).target for _ in range(12)]

    assert first(1) == first(1)
    assert first(1) != first(2)
    # Each name once before any comes again.
    assert sorted(target[0] for target in first(1)[:4]) == list("abcd")
