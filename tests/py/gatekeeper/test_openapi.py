"""GET /openapi.json describes every route, and what a client makes of it is answered as it says."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from gatekeeper.app import all_routes
from harness.guide.entries import load_entries
from tests.py.electric.electrics import Electric
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.personas import cast
from tests.py.gatekeeper.test_rpc_of_all import WITH_BYTES

EXAMPLES = 6
"""Of each operation, with what is right and with what is wrong; the same every time."""

EXCLUDED = [
    # In single-tenant mode nobody shows who they are.
    checks.ignored_auth,
    # Also what fits the schema is refused where a row is not there, or a text is too long.
    checks.positive_data_acceptance,
]


@pytest.fixture(scope="module")
def served(electric: Electric) -> Iterator[Gatekeeper]:
    """Run a gatekeeper for all tests of this module."""
    cast(electric.server)
    with running(electric, requests_per_second=100_000, shapes_per_minute=100_000) as gatekeeper:
        yield gatekeeper


@pytest.fixture(scope="module")
def document(served: Gatekeeper) -> dict[str, Any]:
    """Return what it says of itself."""
    with served.client() as client:
        answer = client.get("/openapi.json")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def test_every_route_is_described(document: dict[str, Any]) -> None:
    served = {
        (route.path.replace(":path}", "}"), method)
        for route in all_routes()
        for method in route.methods or ()
        # Where GET is answered HEAD is too; it is described where it is of use.
        if method != "HEAD" or "uploads" in route.path
    }
    described = {
        ("/rpc/{function}" if path.startswith("/rpc/") else path, method.upper())
        for path, operations in document["paths"].items()
        for method in operations.keys() - {"parameters"}
    }
    assert served == described


def test_every_function_that_takes_json_is_described(document: dict[str, Any]) -> None:
    described = {path.rpartition("/")[2] for path in document["paths"] if "/rpc/" in path}
    assert described == load_entries().functions.keys() - WITH_BYTES
    assert document["paths"]["/rpc/add_todo"]["post"]["description"].startswith("Writes a todo")
    assert document["components"]["schemas"]["add_todo"]["required"] == ["body"]


@pytest.mark.parametrize("mode", GenerationMode)
def test_whatever_is_sent_is_answered_as_the_document_says(
    served: Gatekeeper, document: dict[str, Any], mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    # In single-tenant mode there is nobody to sign in.
    found = list(schema.exclude(path_regex="^/auth/").get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found)
    tried: dict[str, int] = {}

    with requests.Session() as session:
        session.trust_env = False
        for operation in operations:

            @settings(
                max_examples=EXAMPLES,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case: Case[Any]) -> None:
                answer = case.call_and_validate(
                    served.url, session, excluded_checks=EXCLUDED, timeout=30
                )
                tried[case.operation.label] = answer.status_code

            if mode is GenerationMode.POSITIVE or can_be_wrong(operation):
                ask()
    assert len(tried) > 60
    assert mode is GenerationMode.NEGATIVE or set(tried) == {one.label for one in operations}


def can_be_wrong(operation: Any) -> bool:  # noqa: ANN401 - schemathesis does not export its type
    """Say whether an operation has something to get wrong. OPTIONS looks at nothing."""
    takes = bool(operation.body) or bool(list(operation.iter_parameters()))
    return takes and operation.method != "options"
