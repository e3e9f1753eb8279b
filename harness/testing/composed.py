"""deploy/compose.yaml as Docker Compose itself reads it, which needs no Docker engine."""

import os
import re
import subprocess
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from harness.errors import ExitCode, SessionbaseError
from harness.quality import find_tool
from harness.settings import PROJECT

FOLDER = PROJECT / "deploy"
COMPOSE = FOLDER / "compose.yaml"
_SECONDS = 60


def variables() -> set[str]:
    """Return the names of the variables that the file takes from the environment."""
    return set(re.findall(r"\$\{([A-Z_]+)", COMPOSE.read_text()))


def required() -> set[str]:
    """Return those without which Docker Compose refuses it."""
    return set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE.read_text()))


def image_of(service: str) -> str:
    """Return the image that a service runs."""
    return str(yaml.safe_load(COMPOSE.read_text())["services"][service]["image"])


def read_compose(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the whole file with its variables filled in, whatever deploy/.env says.

    Raises SessionbaseError: FAILED where Docker Compose refuses it, MISSING_TOOL.
    """
    command = ["--file", str(COMPOSE), "--env-file", os.devnull, "config", "--format", "json"]
    result = subprocess.run(
        [find_tool("docker-compose"), *command],
        check=False,
        env={"PATH": os.environ["PATH"]} | dict(values),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if result.returncode != 0:
        # Its last line says what is wrong, and quotes a variable's name only.
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise SessionbaseError(
            ExitCode.FAILED, f"Docker Compose refuses {COMPOSE.name}: {lines[-1]}"
        )
    composed: dict[str, Any] = msgspec.json.decode(result.stdout)
    return composed
