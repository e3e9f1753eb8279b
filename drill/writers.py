"""Programs that write as the developer's guide says: again until it is through."""

import random
from abc import ABC, abstractmethod
from threading import Event, Thread
from typing import Any

import httpx
import psycopg
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from drill.ledger import MARK, Ledger, Tool, Write
from drill.stage import SESSIONS, Stage
from examples.clients.api import call, may_pass

_PATIENCE_S = 20
_ANSWER_S = 20
_PAUSE_S = 60
_PAUSES_S = (0.02, 0.15)
"""Between one thing and the next."""
_DISK_FULL = "53100"
_ONCE_MORE = 0.05
"""How many acknowledged writes are sent again, as by a client that lost the answer."""


class AgainError(Exception):
    """A call that may get through when it is made again. is_known: that it did nothing."""

    def __init__(self, what: str, *, is_known: bool = False) -> None:
        super().__init__(what)
        self.is_known = is_known


class RefusedError(Exception):
    """A call that Postgres said no to, for a reason that a fault explains."""


class Load(ABC):
    """A thread that does something again and again until it is told to stop."""

    def __init__(self, stage: Stage, ledger: Ledger, name: str, seed: int) -> None:
        self.stage = stage
        self.ledger = ledger
        self.name = name
        self.dice = random.Random(f"{seed} {name}")  # noqa: S311 - the same ones for a seed
        self._stopped = Event()
        self._may_go = Event()
        self._may_go.set()
        self._pauses = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell it to stop once what is under way has ended."""
        self._stopped.set()

    def pause(self) -> None:
        """Wait until what is under way has ended, and let it begin nothing until resume()."""
        self._may_go.clear()
        if not self._pauses.wait(_PAUSE_S):
            self.ledger.surprise(f"{self.name} did not pause within {_PAUSE_S} s")

    def resume(self) -> None:
        """Let it go on."""
        self._pauses.clear()
        self._may_go.set()

    def join(self, seconds: float) -> None:
        """Wait until it has stopped."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.ledger.surprise(f"{self.name} did not stop within {seconds:g} s")

    @abstractmethod
    def once(self) -> None:
        """Do it once."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self.dice.uniform(*_PAUSES_S)):
                if self._may_go.is_set():
                    self.once()
                else:
                    self._pauses.set()
        except Exception as error:  # noqa: BLE001 - a thread that ends unseen would hide a fault
            self.ledger.surprise(f"{self.name} ended: {type(error).__name__}: {error}")
        finally:
            self.close()

    def trying(self) -> Retrying:
        """Return how a call is made again: for a while, with pauses that grow."""
        return Retrying(
            retry=retry_if_exception_type(AgainError),
            wait=wait_random_exponential(multiplier=0.05, max=1),
            stop=stop_after_delay(_PATIENCE_S),
        )


class Writer(Load):
    """Appends messages, one after the other."""

    def __init__(self, stage: Stage, ledger: Ledger, name: str, seed: int) -> None:
        super().__init__(stage, ledger, name, seed)
        self._next = 0

    def once(self) -> None:
        """Write one message until it is acknowledged, refused, or given up."""
        self._next += 1
        known_as = f"{self.name}-{self._next}"
        filler = " ".join(["text"] * self.dice.randrange(30))
        content = f"{MARK} {known_as} {filler}"
        write = Write(known_as, self.dice.choice(SESSIONS), content)
        self.ledger.begin(write)
        self.send(write)
        if write.state == "acknowledged" and self.dice.random() < _ONCE_MORE:
            self.send(write)

    def send(self, write: Write) -> None:
        """Try to write it, and note what was said."""
        was_uncertain = False

        def once() -> str:
            nonlocal was_uncertain
            write.tries += 1
            try:
                return self.append(write)
            except AgainError as error:
                was_uncertain |= not error.is_known
                raise

        try:
            self.ledger.acknowledge(write, self.trying()(once))
        except RefusedError:
            if write.state == "unknown" and not was_uncertain:
                write.state = "refused"
        except RetryError:
            self.ledger.count(f"{self.kind}: given up")

    kind = "writer"

    @abstractmethod
    def append(self, write: Write) -> str:
        """Write it once; return the message's id. Raises AgainError, RefusedError."""


class DirectWriter(Writer):
    """Calls functions on a connection of its own, by the example that applications copy."""

    kind = "writes by psycopg"
    _connection: psycopg.Connection[Any] | None = None

    def append(self, write: Write) -> str:
        """Call the function; after a failure the next try has a new connection."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    self.stage.written_through(),
                    autocommit=True,
                    connect_timeout=5,
                    options="-c statement_timeout=15s",
                    application_name="sessionbase drill writer",
                )
            (row,) = call(
                self._connection,
                str(self.stage.cast.owner),
                "append_message",
                session_id=write.session_id,
                role="user",
                content=write.content,
                client_message_id=write.client_message_id,
            )
        except psycopg.Error as error:
            self.close()
            state = error.sqlstate or "no answer"
            self.ledger.count(f"{self.kind}: {state}")
            if may_pass(error):
                raise AgainError(state) from None
            if error.sqlstate in {_DISK_FULL, "57014"}:
                raise RefusedError from None
            raise
        self.ledger.count(f"{self.kind}: done")
        return str(row["id"])

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()


class Caller:
    """Calls functions through the gatekeeper, as the owner."""

    def __init__(self, load: Load, kind: str) -> None:
        self._load = load
        self._kind = kind
        self._client = httpx.Client(timeout=_ANSWER_S, trust_env=False)

    def call(self, name: str, **given: object) -> dict[str, Any]:
        """Call once; return the row. Raises AgainError for what may pass, RefusedError."""
        stage, ledger = self._load.stage, self._load.ledger
        try:
            answer = self._client.post(
                f"{stage.url}/rpc/{name}",
                json=given,
                headers={"authorization": f"Bearer {stage.credential('owner')}"},
            )
        except httpx.TransportError as error:
            ledger.count(f"{self._kind}: no answer")
            raise AgainError(type(error).__name__) from None
        said = answer.json()
        if answer.is_success:
            ledger.count(f"{self._kind}: done")
            return dict(said)
        code = said["error"]["code"]
        ledger.count(f"{self._kind}: {answer.status_code} {code}")
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            # 53100 is a no; behind the others the connection may have broken in a commit.
            raise AgainError(code, is_known=code == _DISK_FULL)
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.TOO_MANY_REQUESTS}:
            raise AgainError(code, is_known=True)
        ledger.surprise(f"{name} was answered {answer.status_code} {code}")
        raise RefusedError

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class HttpWriter(Writer):
    """Calls functions through the gatekeeper."""

    kind = "writes by HTTP"

    def __init__(self, stage: Stage, ledger: Ledger, name: str, seed: int) -> None:
        super().__init__(stage, ledger, name, seed)
        self._caller = Caller(self, self.kind)

    def append(self, write: Write) -> str:
        """Call the function."""
        row = self._caller.call(
            "append_message",
            session_id=write.session_id,
            role="user",
            content=write.content,
            client_message_id=write.client_message_id,
        )
        return str(row["id"])

    def close(self) -> None:
        """Close the connection."""
        self._caller.close()


class ToolUser(Load):
    """Starts tool events and finishes them, through the gatekeeper."""

    kind = "tool events by HTTP"

    def __init__(self, stage: Stage, ledger: Ledger, name: str, seed: int) -> None:
        super().__init__(stage, ledger, name, seed)
        self._caller = Caller(self, self.kind)

    def once(self) -> None:
        """Start one, and finish it if its id is known."""
        try:
            # Once: the same start again would be another event.
            row = self._caller.call(
                "start_tool_event", session_id=SESSIONS[0], tool_name="drill", status="executing"
            )
        except (AgainError, RefusedError):
            return
        tool = Tool(str(row["id"]), f"{MARK} {row['id']}")
        self.ledger.begin_tool(tool)
        try:
            self.trying()(lambda: self._finish(tool))
        except RefusedError:
            return
        except RetryError:
            self.ledger.count(f"{self.kind}: given up")

    def _finish(self, tool: Tool) -> None:
        self._caller.call(
            "finish_tool_event",
            tool_event_id=tool.id,
            status="succeeded",
            result={"said": tool.result},
        )
        tool.finished = True

    def close(self) -> None:
        """Close the connection."""
        self._caller.close()
