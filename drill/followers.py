"""Programs that follow a shape through the gatekeeper. Each is a thread, and checks its rows."""

from collections import Counter
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal
from urllib.parse import quote

import httpx

from drill.ledger import Ledger
from drill.stage import SESSIONS, Stage
from drill.writers import Load
from harness.testing.shape_log import Row, ShapeRows, WrongLogError

Way = Literal["name", "token", "cookie"]

_COOKIE = "__Host-sessionbase"
_ANSWER_S = 30
_REFUSALS = {"token_expired", "token_invalid", "not_signed_in"}
_MOST_WAIT_S = 1.0
_AGAIN_S = 0.2

SHAPES = ("session_messages", "session_threads", "session_tool_events")
"""What is followed: of a session, so that a viewer may have them too."""


@dataclass(frozen=True)
class Wanted:
    """What is followed: a shape of the owner's session, by whom, and how they show who they are."""

    shape: str
    session_id: str
    who: str
    way: Way

    @property
    def label(self) -> str:
        """Name it, for reports."""
        return f"{self.who} follows {self.shape} of {self.session_id} by {self.way}"


class Follower(Load):
    """Follows a shape, through whatever happens."""

    def __init__(self, stage: Stage, ledger: Ledger, wanted: Wanted, seed: int) -> None:
        super().__init__(stage, ledger, wanted.label, seed)
        self.wanted = wanted
        self.log = ShapeRows()
        self.answers = 0
        self.changes = 0
        self.refetches = 0
        self.wrong: list[str] = []
        self.refused: Counter[str] = Counter()
        self._place: dict[str, str] = {"offset": "-1"}
        self._lock = Lock()
        self._token = ""
        self._cookie = ""
        self._was_refused = False
        self.sign_ins = 0
        self._client = httpx.Client(timeout=_ANSWER_S, trust_env=False)

    @property
    def rows(self) -> dict[str, Row]:
        """The rows by their keys, as the log has made them."""
        return self.log.rows

    @property
    def is_up_to_date(self) -> bool:
        """Whether it was told that there was nothing more."""
        return "live" in self._place

    def once(self) -> None:
        """Ask once, and take what is said."""
        try:
            self._step()
        except httpx.TransportError:
            self.ledger.count("clients: no answer")
            self._stopped.wait(_AGAIN_S)
        except WrongLogError as error:
            # What is told twice or in another order is a fault, whoever made it.
            self.wrong.append(str(error))
            self._begin()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def take(self, messages: list[dict[str, Any]]) -> None:
        """Take an answer's messages. Raises WrongLogError."""
        self.log.apply(messages)

    def copy(self) -> list[Row]:
        """Return the rows as they are now."""
        with self._lock:
            return [dict(row) for row in self.log.rows.values()]

    def _step(self) -> None:
        answer = self._ask()
        if _COOKIE in answer.cookies:
            self._cookie = answer.cookies[_COOKIE]
        if answer.status_code == httpx.codes.OK:
            self._take(answer)
        elif answer.status_code == httpx.codes.CONFLICT:
            self.refetches += 1
            self._begin()
        else:
            self._refused(answer)

    def _ask(self) -> httpx.Response:
        if self.wanted.way == "token":
            return self._ask_by_token()
        by_name = shape_url(self.stage, self.wanted.shape, self.wanted.session_id)
        if self.wanted.way == "name":
            return self._client.get(by_name, params=self._query(), headers=self._bearer())
        if not self._cookie:
            answer = self._client.post(f"{self.stage.url}/auth/session", headers=self._bearer())
            if answer.status_code != httpx.codes.CREATED:
                return answer
            self._cookie = answer.cookies[_COOKIE]
            self.sign_ins += 1
        headers = {"cookie": f"{_COOKIE}={self._cookie}"}
        return self._client.get(by_name, params=self._query(), headers=headers)

    def _ask_by_token(self) -> httpx.Response:
        if not self._token:
            order = {
                "shape": self.wanted.shape,
                "session_id": self.wanted.session_id,
                "owner": str(self.stage.cast.owner),
            }
            answer = self._client.post(
                f"{self.stage.url}/v1/shape-tokens", json=order, headers=self._bearer()
            )
            if not answer.is_success:
                return answer
            self._token = answer.json()["token"]
        headers = {"authorization": f"Bearer {self._token}"}
        return self._client.get(f"{self.stage.url}/v1/shape", params=self._place, headers=headers)

    def _query(self) -> dict[str, str]:
        return self._place | {"owner": str(self.stage.cast.owner)}

    def _bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.stage.credential(self.wanted.who)}"}

    def _take(self, answer: httpx.Response) -> None:
        messages = answer.json()
        self.look_at_rows(messages)
        with self._lock:
            self.take(messages)
        self.answers += 1
        self._was_refused = False
        self.changes += sum("operation" in message["headers"] for message in messages)
        self._place = {
            "handle": answer.headers["electric-handle"],
            "offset": answer.headers["electric-offset"],
        }
        if "electric-up-to-date" in answer.headers:
            self._place["live"] = "true"
        if "electric-cursor" in answer.headers:
            self._place["cursor"] = answer.headers["electric-cursor"]

    def look_at_rows(self, messages: list[dict[str, Any]]) -> None:
        """See that every row is the owner's, and of the session that was asked for."""
        owner = str(self.stage.cast.owner)
        for message in messages:
            value = message.get("value", {})
            if value.get("account_id", owner) != owner or (
                value.get("session_id", self.wanted.session_id) != self.wanted.session_id
            ):
                self.wrong.append("a row of somebody else's came")

    def _begin(self) -> None:
        with self._lock:
            self.log.begin()
        self._place = {"offset": "-1"}

    def _refused(self, answer: httpx.Response) -> None:
        code = answer.json()["error"]["code"]
        self.ledger.count(f"clients: {answer.status_code} {code}")
        self.refused[code] += 1
        if answer.status_code == httpx.codes.UNAUTHORIZED and code in _REFUSALS:
            # A poll that was held ends so when what was allowed for it has run out: the login
            # session may be good. Refused again, it is not.
            self._cookie = self._cookie if not self._was_refused else ""
            self._was_refused = True
            self._token = ""
            self._stopped.wait(_MOST_WAIT_S / 4)
        elif answer.status_code in {
            httpx.codes.SERVICE_UNAVAILABLE,
            httpx.codes.TOO_MANY_REQUESTS,
        }:
            asked = float(answer.headers.get("retry-after", "1"))
            self._stopped.wait(min(asked, _MOST_WAIT_S))
        else:
            self.wrong.append(f"it was answered {answer.status_code} {code}")
            self._stopped.wait(_MOST_WAIT_S)


class Stranger(Load):
    """Asks for the owner's shapes, who is neither owner nor member: it must never get one."""

    def __init__(self, stage: Stage, ledger: Ledger, seed: int) -> None:
        super().__init__(stage, ledger, "stranger", seed)
        self.refused = 0
        self.given = 0
        self._client = httpx.Client(timeout=_ANSWER_S, trust_env=False)

    def once(self) -> None:
        """Ask for a shape, from its beginning."""
        shape, session_id = self.dice.choice(SHAPES), self.dice.choice(SESSIONS)
        try:
            answer = self._client.get(
                shape_url(self.stage, shape, session_id),
                params={"offset": "-1", "owner": str(self.stage.cast.owner)},
                headers={"authorization": f"Bearer {self.stage.credential('stranger')}"},
            )
        except httpx.TransportError:
            return
        self.refused += answer.status_code == httpx.codes.FORBIDDEN
        self.given += answer.is_success
        self._stopped.wait(0.2)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def shape_url(stage: Stage, shape: str, session_id: str) -> str:
    """Return where a shape of a session is asked for by name."""
    return f"{stage.url}/v1/sessions/{quote(session_id, safe='')}/shapes/{shape}"
