"""The demo's identity provider gives tokens to the viewer, and to nobody else."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from starlette.applications import Starlette

from harness.demo.people import CLIENT_ID, ISSUER, PEOPLE
from harness.demo.provider import TOKEN_SECONDS, Provider, ProviderOrder, run_provider
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from tests.py.up.ups import fragment_of, request_of

BACK = "http://127.0.0.1:3100/"
RIGHT = request_of(CLIENT_ID, BACK)


class Direct(httpx.BaseTransport):
    """Asks an application without a network."""

    def __init__(self, application: Starlette) -> None:
        self.inner = httpx.ASGITransport(application)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        return asyncio.run(self.answer(request))

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, read to its end."""
        answer = await self.inner.handle_async_request(request)
        return httpx.Response(
            answer.status_code, headers=answer.headers, content=await answer.aread()
        )


@pytest.fixture
def provider() -> Provider:
    return Provider((BACK, "http://localhost:3100/"))


@pytest.fixture
def browser(provider: Provider) -> httpx.Client:
    return httpx.Client(transport=Direct(provider.application()), base_url="http://127.0.0.1:3102")


def test_who_is_chosen_comes_back_with_a_token_of_a_minute(
    provider: Provider, browser: httpx.Client
) -> None:
    (key,) = jwt.PyJWKSet.from_dict(browser.get("/jwks.json").json()).keys
    for person in PEOPLE:
        answer = browser.post("/authorize", data=RIGHT | {"person": person.subject})
        assert answer.headers["location"].startswith(f"{BACK}#")
        assert answer.headers["cache-control"] == "no-store"
        back = fragment_of(answer)
        assert back.keys() == {"id_token", "state"}
        claims = jwt.decode(
            back["id_token"], key.key, algorithms=["EdDSA"], audience=CLIENT_ID, issuer=ISSUER
        )
        assert (claims["sub"], claims["name"], claims["nonce"]) == (
            person.subject,
            person.name,
            RIGHT["nonce"],
        )
        assert claims["exp"] - claims["iat"] == TOKEN_SECONDS == 60
    assert "d" not in json.dumps(provider.jwks()["keys"]).split('"')


def test_each_provider_has_a_key_of_its_own(browser: httpx.Client) -> None:
    token = fragment_of(browser.post("/authorize", data=RIGHT | {"person": "ada"}))["id_token"]
    (other,) = jwt.PyJWKSet.from_dict(Provider((BACK,)).jwks()).keys
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, other.key, algorithms=["EdDSA"], audience=CLIENT_ID)


def test_the_page_offers_everybody_and_loads_nothing(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=RIGHT)
    assert page.status_code == 200
    for person in PEOPLE:
        assert f'value="{person.subject}"' in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert f"form-action 'self' {BACK.removesuffix('/')} " in policy
    assert "<script" not in page.text


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "http://127.0.0.1:3100"},
        {"redirect_uri": "http://127.0.0.1:3100/x"},
        {"redirect_uri": "http://127.0.0.1:3100/?x"},
        {"redirect_uri": "http://127.0.0.1:31000/"},
        {"redirect_uri": "http://127.0.0.1:3100@evil.example/"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": ""},
        {"client_id": "another"},
    ],
)
def test_nobody_is_sent_anywhere_else(browser: httpx.Client, changed: dict[str, str]) -> None:
    shown = browser.get("/authorize", params=RIGHT | changed)
    posted = browser.post("/authorize", data=RIGHT | changed | {"person": "ada"})
    assert (shown.status_code, posted.status_code) == (400, 403)
    for answer in (shown, posted):
        assert "location" not in answer.headers
        assert "evil" not in answer.text


def test_a_parameter_that_is_there_twice_is_not_there(browser: httpx.Client) -> None:
    twice = [*RIGHT.items(), ("redirect_uri", "https://evil.example/")]
    assert browser.get("/authorize", params=urlencode(twice)).status_code == 400
    other = [*RIGHT.items(), ("state", "another")]
    answer = browser.get("/authorize", params=urlencode(other))
    assert fragment_of(answer) == {"error": "invalid_request"}


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "code"}, "unsupported_response_type"),
        ({"response_type": "id_token token"}, "unsupported_response_type"),
        ({"response_mode": "query"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"nonce": ""}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
    ],
)
def test_what_is_asked_wrongly_comes_back_as_an_error(
    browser: httpx.Client, changed: dict[str, str], error: str
) -> None:
    for answer in (
        browser.get("/authorize", params=RIGHT | changed),
        browser.post("/authorize", data=RIGHT | changed | {"person": "ada"}),
    ):
        assert answer.status_code == 303
        assert fragment_of(answer)["error"] == error


@pytest.mark.parametrize("person", ["", "nobody", "Ada"])
def test_who_is_not_of_the_demo_is_denied(browser: httpx.Client, person: str) -> None:
    answer = browser.post("/authorize", data=RIGHT | {"person": person})
    assert fragment_of(answer) == {"error": "access_denied", "state": RIGHT["state"]}


def test_another_site_can_sign_nobody_in(browser: httpx.Client) -> None:
    chosen = RIGHT | {"person": "ada"}
    for site, status in (("same-origin", 303), ("same-site", 403), ("cross-site", 403)):
        answer = browser.post("/authorize", data=chosen, headers={"sec-fetch-site": site})
        assert answer.status_code == status
    named = browser.post("/authorize", data=chosen, headers={"host": "evil.example"})
    assert named.status_code == 400
    assert "location" not in named.headers


def test_what_is_asked_is_shown_as_text(browser: httpx.Client) -> None:
    page = browser.get("/authorize", params=RIGHT | {"state": '"><script>'})
    assert page.status_code == 200
    assert "<script>" not in page.text


def test_it_refuses_production(tmp_path: Path) -> None:
    settings = Settings(env="production")
    with pytest.raises(SessionbaseError, match="believes everybody") as caught:
        run_provider(settings, ProviderOrder(0, [BACK], tmp_path / "jwks.json"))
    assert caught.value.code == ExitCode.REFUSED
    assert not (tmp_path / "jwks.json").exists()
