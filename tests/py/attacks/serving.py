"""Runs the gatekeeper in a process of its own, whole or with one of its defences taken out.

python -m tests.py.attacks.serving [DEFENCE]
"""

import sys

from gatekeeper.run import serve
from gatekeeper.settings import GatekeeperSettings
from harness.connections import server_of_url
from tests.py.attacks.weakening import DEFENCES


def main(defence: str | None) -> None:
    settings = GatekeeperSettings()
    if settings.database_url is None:
        sys.exit("DATABASE_URL is not set")
    if defence:
        DEFENCES[defence].take_out()
    serve(server_of_url(settings.database_url.get_secret_value()), settings, _tell)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
