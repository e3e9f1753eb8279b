"""Runs the gatekeeper in a process of its own, if need be without one of its defences.

python -m tests.py.attacks.serving [NAME], of a function in weakening.py
"""

import sys

import pytest

from gatekeeper.run import serve
from gatekeeper.settings import GatekeeperSettings
from harness.connections import server_of_url
from tests.py.attacks import weakening


def main(take_out: str | None) -> None:
    settings = GatekeeperSettings()
    if settings.database_url is None:
        sys.exit("DATABASE_URL is not set")
    if take_out:
        getattr(weakening, take_out)(pytest.MonkeyPatch())
    serve(server_of_url(settings.database_url.get_secret_value()), settings, _tell)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
