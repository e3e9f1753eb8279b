"""Fixtures of the tests of schema api."""

from collections.abc import Iterator

import pytest

from harness.connections import Server
from tests.py.api.stage import Stage, open_stage


@pytest.fixture
def stage(database: Server) -> Iterator[Stage]:
    """Give a migrated database, and as many callers as a test asks for."""
    with open_stage(database) as opened:
        yield opened
