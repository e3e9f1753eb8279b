"""Runs the stand-in in a process of its own, in as much of a hurry as a test is.

python -m tests.py.electric.standing_in PORT [LONG_POLL KEEP_ALIVE SSE], the last three in seconds
"""

import sys

from harness import settings
from harness.connections import server_of_url
from harness.embedded.electric.run import Start, run_stand_in
from harness.embedded.electric.server import Timings


def main(port: int, seconds: list[float]) -> None:
    known = settings.load()
    if known.database_url is None:
        sys.exit("DATABASE_URL is not set")
    server = server_of_url(known.database_url.get_secret_value())
    run_stand_in(server, known, Start(port, Timings(*seconds)), _tell)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), [float(argument) for argument in sys.argv[2:]])
