"""Accounts that a test makes for itself and takes things from, and how they are signed in."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from harness.connections import Connection
from tests.py.attacks import scene, wire
from tests.py.attacks.attacked import Gatekeeper
from tests.py.waiting import wait_until

How = Literal["jwt", "cookie", "jwt token", "cookie token"]
"""By which credential a shape is asked for; `token`: a shape token that was got with it."""

COOKIE = "__Host-sessionbase"
ORIGIN = "https://chat.example"
SHARED = scene.Place(scene.OTHER, "shared")
"""Whose rows, by their mark, are in every guest's session."""
PATIENCE_S = 1.0
"""How soon a held answer ends once its right to be there has."""


@dataclass
class Guest:
    """An account that sees a session of OTHER which no other test knows, and its credentials."""

    gatekeeper: Gatekeeper
    account: str = field(default_factory=lambda: str(uuid4()))
    session: str = field(default_factory=lambda: f"shared-{uuid4()}")

    @property
    def here(self) -> str:
        """Where the todos of the session are, from their beginning."""
        return f"/v1/sessions/{self.session}/shapes/session_todos?owner={scene.OTHER}&offset=-1"

    @property
    def order(self) -> dict[str, str]:
        """What a token for them is asked for with."""
        return {"shape": "session_todos", "session_id": self.session, "owner": scene.OTHER}

    def enter(self, writer: Connection) -> "Guest":
        """Be there. The session is made if it is not."""
        with writer.transaction():
            made = writer.execute(
                "insert into app.sessions (account_id, id) values (%s, %s) on conflict do nothing",
                [scene.OTHER, self.session],
            )
            if made.rowcount:
                write_todo(writer, self, f"{SHARED.mark.decode()}row")
            writer.execute(
                "insert into app.accounts (id, name) values (%s, %s)", [self.account, self.account]
            )
            writer.execute(
                "insert into auth.identities (issuer, subject, account_id) values (%s, %s, %s)",
                [scene.ISSUER, self.account, self.account],
            )
            self.come_back(writer)
        return self

    def come_back(self, writer: Connection) -> None:
        """Be a member."""
        writer.execute(
            "insert into app.session_members (account_id, session_id, member_account_id, role) "
            "values (%s, %s, %s, 'viewer')",
            [scene.OTHER, self.session, self.account],
        )

    def jwt(self) -> str:
        """Return a token of the issuer."""
        return self.gatekeeper.issuer.token(self.account)

    def sign_in(self) -> str:
        """Begin a login session, and return its secret."""
        with self.gatekeeper.client() as client:
            answer = client.post("/auth/session", headers={"authorization": f"Bearer {self.jwt()}"})
        assert answer.is_success, answer.text
        return secret_of(answer.headers["set-cookie"])

    def header(self, how: How) -> str:
        """Return the header that asks, of a credential that is new."""
        by_jwt = f"Authorization: Bearer {self.jwt()}"
        by = by_jwt if "jwt" in how else f"Cookie: {COOKIE}={self.sign_in()}"
        if "token" not in how:
            return by
        name, _, value = by.partition(": ")
        headers = {name: value, "Sec-Fetch-Site": "same-origin"}
        with self.gatekeeper.client() as client:
            answer = client.post(
                "/v1/shape-tokens",
                headers=headers,
                json=self.order,
            )
        assert answer.is_success, answer.text
        return f"Authorization: Bearer {answer.json()['token']}"

    def request(self, how: How, header: str, query: str) -> bytes:
        """Return a request for the todos of the shared session."""
        target = f"/v1/shape?{query}"
        if "token" not in how:
            target = self.here.replace("offset=-1", query)
        return (
            f"GET {target} HTTP/1.1\r\nHost: {self.gatekeeper.host}\r\n{header}\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n"
        ).encode()

    def leave(self, writer: Connection) -> None:
        """Have the session no longer."""
        writer.execute(
            "delete from app.session_members where member_account_id = %s", [self.account]
        )


def secret_of(set_cookie: str) -> str:
    """Read a login session's secret from the header that sets it."""
    name, _, rest = set_cookie.partition("=")
    assert name == COOKIE
    return rest.partition(";")[0]


def write_todo(writer: Connection, guest: Guest, mark: str) -> None:
    """Write what whoever follows the session is told."""
    writer.execute(
        "insert into app.todos (account_id, id, session_id, body) values (%s, %s, %s, %s)",
        [scene.OTHER, str(uuid4()), guest.session, mark],
    )


def end_of_shape(guest: Guest, how: How, header: str) -> str:
    """Return a query that waits for what comes after all that there is."""
    answer = wire.exchange(guest.gatekeeper.port, guest.request(how, header, "offset=now")).answers[
        0
    ]
    assert answer.status == 200, answer.body
    offset, handle = answer.header("electric-offset"), answer.header("electric-handle")
    return f"offset={offset}&handle={handle}&live=true"


@contextmanager
def held(guest: Guest, how: How, header: str, more: str = "") -> Iterator[wire.Wire]:
    """Hold an answer until the block ends. It is held once the gatekeeper counts it."""
    gatekeeper = guest.gatekeeper
    query = end_of_shape(guest, how, header) + more
    # What earlier tests held is let go first.
    wait_until(lambda: gatekeeper.held() == gatekeeper.holding)
    gatekeeper.holding += 1
    try:
        with wire.opened(gatekeeper.port) as connection:
            connection.send(guest.request(how, header, query))
            wait_until(lambda: gatekeeper.held() == gatekeeper.holding)
            yield connection
    finally:
        gatekeeper.holding -= 1


def end_of(connection: wire.Wire) -> tuple[bytes, float]:
    """Read until the answer ends; return it, and how many seconds that took."""
    began = time.monotonic()
    taken = connection.read_to_end()
    return taken, time.monotonic() - began
