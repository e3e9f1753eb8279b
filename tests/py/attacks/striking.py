"""An attack on a gatekeeper, and all that may be wrong with what came of it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from urllib.parse import quote, urlencode

from harness.connections import Connection, Server, connect
from tests.py.attacks import scene, wire
from tests.py.attacks.attacked import Gatekeeper
from tests.py.attacks.canonical import Canon, Definition, NotCanonicalError, definition
from tests.py.attacks.hostile import Attack
from tests.py.attacks.recorder import Recorder

_FRESH_S = 60
_ELECTRICS = ("electric-server", "access-control-allow-origin", "surrogate-control", "server")
_FOREIGN_HANDLES = ("other_handle", "beside_handle")
_BY_ELECTRIC = {200, 304, 409}
"""Statuses with which Electric may have been asked."""


@dataclass(repr=False)
class Stage:
    """A gatekeeper, what is behind it, and the names that attacks are filled in with."""

    gatekeeper: Gatekeeper
    recorder: Recorder
    server: Server
    canon: Canon
    _names: dict[str, str] = field(default_factory=dict)
    _named_at: float = 0
    _definitions: dict[tuple[str, str, str | None], Definition] = field(default_factory=dict)

    @cached_property
    def definition(self) -> Definition:
        """What the claim of every attack says: the todos of the attacker's session s1."""
        return self.define("session_todos", scene.ACCOUNT, "s1")

    def define(self, shape: str, account: str, session: str | None = None) -> Definition:
        """Fill in a shape, as the registry has it."""
        key = shape, account, session
        if key not in self._definitions:
            with self.database() as connection:
                self._definitions[key] = definition(connection, *key)
        return self._definitions[key]

    def database(self) -> AbstractContextManager[Connection]:
        """Connect as a superuser."""
        return connect(self.server, "test")

    def names(self) -> Mapping[str, str]:
        """Return what names in braces stand for, with tokens that are good for a while yet."""
        if not self._names or monotonic() - self._named_at > _FRESH_S:
            self._names = {**self._names, **self._tokens(), **self._texts()}
            self._named_at = monotonic()
            self._names |= self._handles(self._names["token"])
        return self._names

    def strike(self, attack: Attack) -> list[str]:
        """Send it, and return what is wrong with what came of it: nothing, if all is well."""
        self.names()
        since = self.recorder.count
        try:
            answered = self.send(attack)
        except TimeoutError:
            return ["it was not answered, or the connection was not closed"]
        reached = self.recorder.heads(since)
        return [
            *_wrong_statuses(attack, answered),
            *self._wrong_requests(attack, answered, reached),
            *self._leaks(answered),
            *_wrong_headers(answered, has_bodies=attack.method != "HEAD"),
        ]

    def send(self, attack: Attack) -> wire.Exchange:
        """Send it, and return what came back. Raises TimeoutError."""
        request = attack.request(self.names())
        port = self.gatekeeper.port
        if attack.hangs:
            return wire.exchange_and_leave(
                port, request, may_be_silent=wire.CLOSED in attack.status
            )
        return wire.exchange(port, request)

    def not_of(self, allowed: list[Definition], since: int = 0) -> list[str]:
        """Return what is wrong with requests that reached Electric and are for none of those."""
        wrong = []
        for head in self.recorder.heads(since):
            faults = []
            for one in allowed:
                try:
                    self.canon.check(head, one)
                except NotCanonicalError as error:
                    faults.append(str(error))
            if len(faults) == len(allowed):
                wrong.append("; ".join(faults))
        return wrong

    def _wrong_requests(
        self, attack: Attack, answered: wire.Exchange, reached: list[bytes]
    ) -> Iterator[str]:
        may_reach = attack.reaches or any(one.status in _BY_ELECTRIC for one in answered.answers)
        for head in reached:
            try:
                self.canon.check(head, self.definition if may_reach else None)
            except NotCanonicalError as error:
                yield f"to Electric: {error}"
            if any(self.names()[name].encode() in head for name in _FOREIGN_HANDLES):
                yield "to Electric: another shape's handle, with this one's definition"

    def _leaks(self, answered: wire.Exchange) -> Iterator[str]:
        own = scene.Place(scene.ACCOUNT, "s1")
        for mark in scene.foreign_marks(own):
            if mark in answered.raw:
                yield f"there is a row of another in the answer: {mark!r}"
        if self.canon.secret.encode() in answered.raw:
            yield "Electric's secret is in the answer"
        if self.canon.host.encode() in answered.raw:
            yield "Electric's address is in the answer"

    def _tokens(self) -> dict[str, str]:
        gatekeeper = self.gatekeeper
        asked = gatekeeper.shape_token(scene.ACCOUNT, shape="session_todos", session_id="s1")
        token, jwt = str(asked["token"]), gatekeeper.jwt(scene.ACCOUNT)
        stranger = gatekeeper.issuer.signed(
            gatekeeper.issuer.stranger, {"sub": "attacker"}, {"kid": "one"}
        )
        bearers = {
            "token": token,
            "jwt": jwt,
            "garbage": "garbage",
            "foreign": stranger,
            "expired": gatekeeper.issuer.token("attacker", exp=1_700_000_000),
        }
        told = asked["params"]
        own = {
            "table": told["table"],
            "where": told["where"],
            "columns": ",".join(f'"{name}"' for name in told["columns"]),
            "replica": "default",
            "log": "full",
            **{f"params[{n}]": value for n, value in enumerate(told["params"], 1)},
        }
        return {
            **{f"auth_{name}": f"Authorization: Bearer {one}" for name, one in bearers.items()},
            "auth_none": "",
            "token": token,
            "token_upper": token.upper(),
            "jwt": jwt,
            **{f"own:{name}": urlencode({name: value}) for name, value in own.items()},
        }

    def _texts(self) -> dict[str, str]:
        own = self.definition
        columns = [f'"{one}"' for one in own.columns]
        foreign = {
            "table": "app.chat_messages",
            "where": "true",
            "params[1]": scene.OTHER,
            "params[2]": "theirs",
            "columns": "id,session_id,content",
            "replica": "full",
            "log": "changes_only",
        }
        return {
            "host": self.gatekeeper.host,
            "upstream": self.canon.host.rsplit(":", 1)[1],
            "secret": self.canon.secret,
            "account": scene.ACCOUNT,
            "account_upper": scene.ACCOUNT.upper(),
            "account_plain": scene.ACCOUNT.replace("-", ""),
            "one": f"params[1]={scene.ACCOUNT}&params[2]=",
            "other": scene.OTHER,
            "stranger": scene.STRANGER,
            "disabled": scene.DISABLED,
            "where": quote(own.where),
            "columns": quote(",".join(columns)),
            "columns_backwards": quote(",".join(reversed(columns))),
            "columns_upper": quote(",".join(columns).upper()),
            "columns_spaced": quote(", ".join(columns)),
            "nines": "9" * 9_000,
            "many": "cursor=" + "9" * 70_000,
            "offsets": "&".join(["offset=-1"] * 100),
            "pairs": "&".join(f"x{n}={n}" for n in range(10_000)),
            "headers": "".join(f"X-{n}: {n}\r\n" for n in range(200)),
            "long": "x" * 100_000,
            "huge": "x" * 2_000_000,
            **{f"other:{name}": urlencode({name: value}) for name, value in foreign.items()},
        }

    def _handles(self, token: str) -> dict[str, str]:
        gatekeeper = self.gatekeeper
        other = gatekeeper.shape_token(scene.OTHER, shape="session_todos", session_id="s1")
        beside = gatekeeper.shape_token(scene.ACCOUNT, shape="session_todos", session_id="s2")
        return {
            "handle": self.handle(token),
            "other_handle": self.handle(other["token"]),
            "beside_handle": self.handle(beside["token"]),
        }

    def handle(self, token: str) -> str:
        """Begin a shape, and return the handle of it."""
        with self.gatekeeper.client() as client:
            answer = client.get("/v1/shape?offset=-1", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return str(answer.headers["electric-handle"])


def _wrong_statuses(attack: Attack, answered: wire.Exchange) -> Iterator[str]:
    statuses = [one.status for one in answered.answers if one.status >= 200] or [answered.status]
    if statuses[0] not in attack.status:
        yield f"the status is {statuses[0]}, not {attack.status}"
    if attack.answers is not None and len(statuses) > attack.answers:
        yield f"there are {len(statuses)} answers: {statuses}"
    if attack.last is not None and statuses[-1] != attack.last:
        yield f"the last status is {statuses[-1]}, not {attack.last}"


def _wrong_headers(answered: wire.Exchange, *, has_bodies: bool) -> Iterator[str]:
    for answer in answered.answers:
        names = {name for name, _ in answer.headers}
        yield from (f"the header {name} came back" for name in _ELECTRICS if name in names)
        kept = answer.header("cache-control") or ""
        if "public" in kept or "max-age" in kept:
            yield f"others may keep it: cache-control is {kept}"
        if answer.status == 200 and "private" not in kept and "no-store" not in kept:
            yield f"others may keep it: cache-control is {kept!r}"
        is_ours = "application/json" in (answer.header("content-type") or "")
        if answer.status >= 400 and is_ours and has_bodies:
            yield from _wrong_refusal(answer)


def _wrong_refusal(answer: wire.Answer) -> Iterator[str]:
    if answer.status != 409 and not answer.body.startswith(b'{"error":{"code":'):
        yield f"no refusal of ours: {answer.body[:200]!r}"
    if answer.header("cache-control") != "no-store":
        yield "a refusal may be kept"
