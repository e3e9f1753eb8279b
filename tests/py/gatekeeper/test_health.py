"""Whether it is alive, whether it should be sent requests, and what a wrong route is told."""

import httpx

from tests.py.gatekeeper.gatekeepers import Gatekeeper


def test_it_is_alive_and_ready(ask: httpx.Client) -> None:
    assert ask.get("/health").json() == {"status": "alive"}
    assert ask.get("/ready").json() == {"status": "ready"}


def test_a_route_that_is_not_there_is_not_found(ask: httpx.Client) -> None:
    answer = ask.get("/nowhere")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert answer.json()["error"]["code"] == "not_found"


def test_a_method_that_a_route_does_not_take_is_named(ask: httpx.Client) -> None:
    answer = ask.post("/health")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_it_starts_with_an_issuer(gatekeeper: Gatekeeper) -> None:
    with gatekeeper.client() as client:
        assert client.get("/ready").json() == {"status": "ready"}
