"""nginx as deploy/nginx/ sets it up, in front of a witness or of a gatekeeper."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.settings import Settings
from harness.testing.nginx import Nginx, find_nginx
from tests.py.proxy.nginxes import Proxy, running
from tests.py.proxy.witnesses import Witness, witnessing


@pytest.fixture(scope="session")
def nginx(settings: Settings) -> Nginx:
    """Find nginx, or fetch it."""
    return find_nginx(settings, print)


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Return what stands in the gatekeeper's place."""
    with witnessing() as witness:
        yield witness


@pytest.fixture
def proxy(nginx: Nginx, witness: Witness, tmp_path: Path) -> Iterator[Proxy]:
    """Return nginx in front of the witness."""
    with running(nginx, tmp_path / "nginx", witness.address) as proxy:
        yield proxy


@pytest.fixture
def ask(proxy: Proxy) -> Iterator[httpx.Client]:
    """Return a client of it that speaks HTTP/2."""
    with proxy.client() as client:
        yield client
