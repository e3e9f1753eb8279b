"""Runs the gatekeeper in a process of its own.

python -m tests.py.attacks.serving
"""

import sys

from gatekeeper.run import serve
from gatekeeper.settings import GatekeeperSettings
from harness.connections import server_of_url


def main() -> None:
    settings = GatekeeperSettings()
    if settings.database_url is None:
        sys.exit("DATABASE_URL is not set")
    serve(server_of_url(settings.database_url.get_secret_value()), settings, _tell)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
