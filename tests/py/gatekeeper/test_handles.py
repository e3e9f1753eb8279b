"""A handle goes on to Electric only with the definition that Electric named it for.

The Electric of these tests takes any handle that it has given out for any definition's own, as the
real one does where two hashes are equal.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qsl
from uuid import UUID

import httpx
import pytest

from gatekeeper import handles
from gatekeeper.errors import Refusal
from gatekeeper.exchanges import Head
from gatekeeper.handles import Handles
from gatekeeper.metrics import Metrics
from harness.connections import Server, connect
from tests.py.electric.electrics import Electric
from tests.py.gatekeeper.gatekeepers import Gatekeeper, running
from tests.py.gatekeeper.personas import EDITOR, STRANGER, VIEWER, Tenants, tenants
from tests.py.gatekeeper.upstreams import SECRET, Asked, Upstream, Writer, give, upstream
from tests.py.waiting import wait_until

_OWN = "/v1/sessions/session-own/shapes/session_todos"
_OTHER = "/v1/sessions/session-own/shapes/session_threads"
_NEVER = "1-1700000000000000"
_AT = {"offset": "0_0"}
_KINDS: dict[str, dict[str, str]] = {
    "catching up": {},
    "live": {"live": "true"},
    "events": {"live": "true", "live_sse": "true"},
}

Made = Callable[..., Gatekeeper]


class Colliding:
    """An Electric whose definitions all have one hash. handles: which table's log each is."""

    def __init__(self) -> None:
        self.handles = {
            "app.todos": "77-1763891000000001",
            "app.chat_threads": "77-1763891000000002",
        }
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, asked: Asked, writer: Writer) -> None:
        """Answer with the log that the handle is of."""
        query = dict(parse_qsl(asked.target.partition("?")[2]))
        await self.go.wait()
        own = self.handles[query["table"]]
        handle = own if query["offset"] == "-1" else query["handle"]
        if handle not in self.handles.values():
            await give(writer, b"", "409 Conflict", electric_handle=own, etag=f'"{own}::"')
            return
        (table,) = (table for table, one in self.handles.items() if one == handle)
        is_stream = "live_sse" in query
        body = f'data: "row of {table}"\n\n' if is_stream else f'["row of {table}"]'
        kind = "text/event-stream" if is_stream else "application/json"
        cursor = "7" if "live" in query else None
        await give(
            writer, body.encode(), electric_handle=handle, content_type=kind, electric_cursor=cursor
        )


@pytest.fixture
def colliding() -> Colliding:
    """Return how Electric answers."""
    return Colliding()


@pytest.fixture
def behind(colliding: Colliding) -> Iterator[Upstream]:
    """Return an Electric that answers so."""
    with upstream() as made:
        made.answer = colliding
        yield made


@pytest.fixture
def start(behind: Upstream, shared: Server) -> Iterator[Made]:
    """Return a way to start gatekeepers in front of it; none knows a handle yet."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(
            running(Electric(behind.url, SECRET, shared), **settings)
        )


@pytest.fixture
def ask(start: Made) -> Iterator[httpx.Client]:
    """Return a client of one."""
    with start().client() as client:
        yield client


@pytest.fixture
def believing(behind: Upstream, shared: Server, tmp_path: Path) -> Iterator[Tenants]:
    """Return a gatekeeper for several accounts in front of it."""
    with tenants(Electric(behind.url, SECRET, shared), tmp_path) as made:
        yield made


def hold(behind: Upstream, colliding: Colliding, *, on: bool) -> None:
    """Let Electric answer nobody, or all again."""
    assert behind.loop
    behind.loop.call_soon_threadsafe(colliding.go.clear if on else colliding.go.set)


def told(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Return what is the same each time."""
    headers = {k: v for k, v in answer.headers.items() if k not in {"date", "x-request-id"}}
    return answer.status_code, headers, answer.content


def offsets(behind: Upstream) -> list[str | None]:
    """Return where Electric was asked to go on, in the order of it."""
    return [dict(parse_qsl(asked.target.partition("?")[2])).get("offset") for asked in behind.asked]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_foreign_handle_gives_no_row_where_electric_takes_it_for_ones_own(
    ask: httpx.Client, behind: Upstream, colliding: Colliding, kind: str
) -> None:
    foreign, own = colliding.handles["app.chat_threads"], colliding.handles["app.todos"]
    query = _AT | _KINDS[kind] | {"handle": foreign}
    # Electric gives it: whoever asks it so has the other log.
    bare = httpx.get(
        f"{behind.url}/v1/shape", params=query | {"table": "app.todos"}, trust_env=False
    )
    assert "row of app.chat_threads" in bare.text
    behind.asked.clear()
    # It is not enough that somebody follows the other shape here.
    assert ask.get(_OTHER, params={"offset": "-1"}).status_code == 200
    answer = ask.get(_OWN, params=query)
    assert (answer.status_code, answer.headers["electric-handle"]) == (409, own)
    assert answer.json() == [{"headers": {"control": "must-refetch"}}]
    assert offsets(behind) == ["-1", "-1"]
    assert all(foreign not in asked.target for asked in behind.asked)


@pytest.mark.parametrize("kind", _KINDS)
def test_whose_handle_it_is_goes_on_after_a_restart(
    ask: httpx.Client, behind: Upstream, colliding: Colliding, kind: str
) -> None:
    query = _AT | _KINDS[kind] | {"handle": colliding.handles["app.todos"]}
    for _ in range(3):
        assert "row of app.todos" in ask.get(_OWN, params=query).text
    assert offsets(behind)[:2] == ["-1", "0_0"]
    assert offsets(behind).count("-1") == 1


def test_who_began_here_is_not_asked_about(
    ask: httpx.Client, behind: Upstream, colliding: Colliding
) -> None:
    ask.get(_OWN, params={"offset": "-1"})
    ask.get(_OWN, params=_AT | {"handle": colliding.handles["app.todos"]})
    assert offsets(behind) == ["-1", "0_0"]


def test_our_must_refetch_is_electrics_own(
    ask: httpx.Client, behind: Upstream, colliding: Colliding
) -> None:
    """Between the two the shape begins anew, so that Electric itself says no to what was known."""
    query = _AT | {"handle": _NEVER}
    own = colliding.handles["app.todos"]
    ours = ask.get(_OWN, params=query)
    assert all(_NEVER not in asked.target for asked in behind.asked)
    colliding.handles["app.todos"] = over = "77-1763891000000009"
    theirs = ask.get(_OWN, params=_AT | {"handle": own})
    assert own in behind.asked[-1].target
    assert theirs.headers["electric-handle"] == over
    assert told(ours)[1].pop("electric-handle") == own
    ours.headers["electric-handle"] = over
    assert told(ours) == told(theirs)


def test_a_shape_that_began_anew_is_known_by_its_new_handle(
    ask: httpx.Client, behind: Upstream, colliding: Colliding
) -> None:
    old, new = colliding.handles["app.todos"], "77-1763891000000009"
    ask.get(_OWN, params={"offset": "-1"})
    colliding.handles["app.todos"] = new
    assert ask.get(_OWN, params=_AT | {"handle": old}).headers["electric-handle"] == new
    assert ask.get(_OWN, params=_AT | {"handle": new}).status_code == 200
    assert offsets(behind) == ["-1", "0_0", "0_0"]
    # From now on the old one is asked about, once for a while.
    for _ in range(3):
        assert ask.get(_OWN, params=_AT | {"handle": old}).status_code == 409
    assert offsets(behind) == ["-1", "0_0", "0_0", "-1"]


def test_what_another_node_knows_already_is_learnt_from_its_clients(
    ask: httpx.Client, behind: Upstream, colliding: Colliding
) -> None:
    ask.get(_OWN, params={"offset": "-1"})
    colliding.handles["app.todos"] = new = "77-1763891000000009"
    assert ask.get(_OWN, params=_AT | {"handle": new}).status_code == 200
    # What was kept of the old one is no beginning any more.
    assert ask.get(_OWN, params={"offset": "-1"}).headers["electric-handle"] == new
    assert offsets(behind) == ["-1", "-1", "0_0", "-1"]


def test_many_with_unknown_handles_ask_once(
    start: Made, behind: Upstream, colliding: Colliding
) -> None:
    gatekeeper, answers = start(), list[int]()
    hold(behind, colliding, on=True)
    own = colliding.handles["app.todos"]

    def one() -> None:
        with gatekeeper.client() as client:
            answers.append(client.get(_OWN, params=_AT | {"handle": own}).status_code)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    questions = gatekeeper.web.parts.upstream.handles._questions  # noqa: SLF001 - to wait for it
    wait_until(lambda: [one.waiting for one in questions.values()] == [20])
    assert offsets(behind) == ["-1"]
    hold(behind, colliding, on=False)
    for thread in threads:
        thread.join(20)
    assert answers == [200] * 20
    assert offsets(behind).count("-1") == 1


def test_handles_at_random_are_limited_as_new_shapes_are(
    start: Made, behind: Upstream, colliding: Colliding
) -> None:
    with start(shapes_per_minute=3).client() as client:
        seen = [
            client.get(_OWN, params=_AT | {"handle": f"1-170000000000000{n}"}) for n in range(5)
        ]
        # What is known costs nothing, nor does what was refused just now.
        again = client.get(_OWN, params=_AT | {"handle": "1-1700000000000000"})
        good = client.get(_OWN, params=_AT | {"handle": colliding.handles["app.todos"]})
    assert [answer.status_code for answer in seen] == [409] * 3 + [429] * 2
    assert int(seen[-1].headers["retry-after"]) >= 1
    assert (again.status_code, good.status_code) == (409, 200)
    assert offsets(behind) == ["-1"] * 3 + ["0_0"]


def test_while_electric_can_not_say_nothing_goes_on(
    start: Made, behind: Upstream, colliding: Colliding
) -> None:
    async def away(_: Asked, writer: Writer) -> None:
        await give(writer, b"", "503 Service Unavailable", retry_after="3")

    behind.answer = away
    query = _AT | {"handle": colliding.handles["app.todos"]}
    with start().client() as client:
        refused = client.get(_OWN, params=query)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "3")
        assert offsets(behind) == ["-1"]
        behind.answer = colliding
        assert client.get(_OWN, params=query).status_code == 200


def test_who_leaves_takes_the_question_along(
    start: Made, behind: Upstream, colliding: Colliding
) -> None:
    hold(behind, colliding, on=True)
    with start().asked(_OWN, _AT | {"handle": _NEVER}):
        wait_until(lambda: offsets(behind) == ["-1"])
        assert behind.left == 0
    wait_until(lambda: behind.left == 1)


def test_an_ending_gatekeeper_asks_no_longer(
    start: Made, behind: Upstream, colliding: Colliding
) -> None:
    hold(behind, colliding, on=True)
    gatekeeper, answers = start(drain_s=0.2), list[httpx.Response]()

    def one() -> None:
        with gatekeeper.client() as client:
            answers.append(client.get(_OWN, params=_AT | {"handle": _NEVER}))

    thread = threading.Thread(target=one)
    thread.start()
    wait_until(lambda: offsets(behind) == ["-1"])
    gatekeeper.web.end()
    thread.join(10)
    assert [answer.status_code for answer in answers] == [503]


@pytest.mark.parametrize(
    ("kind", "account"), [("catching up", VIEWER), ("live", EDITOR), ("events", STRANGER)]
)
def test_a_revocation_ends_who_waits_for_a_verdict(
    believing: Tenants, behind: Upstream, colliding: Colliding, kind: str, account: UUID
) -> None:
    hold(behind, colliding, on=True)
    answers: list[httpx.Response] = []

    def one() -> None:
        query = _AT | _KINDS[kind] | {"handle": _NEVER}
        with believing.client(account) as client:
            answers.append(client.get("/v1/shapes/account_sessions", params=query))

    thread = threading.Thread(target=one)
    thread.start()
    wait_until(lambda: offsets(behind) == ["-1"])
    with connect(believing.gatekeeper.server, "test") as root:
        root.execute("update app.accounts set status = 'disabled' where id = %s", [account])
    since = monotonic()
    thread.join(10)
    assert monotonic() - since < 1
    assert [answer.status_code for answer in answers] == [401]
    wait_until(lambda: behind.left == 1)


def _head(handle: str | None, status: int = 200) -> Head:
    return Head(status, {"electric-handle": handle} if handle else {}, "application/json")


async def _nobody(_: bytes) -> Head:
    raise AssertionError("Electric was asked")


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "_KNOWN", 3)
    known = Handles(_nobody, Metrics())
    shapes = [b"a", b"b", b"c", b"d"]
    for shape in shapes[:3]:
        known.learn(shape, _head("1"))
    assert known.knows(b"a", "1")
    known.learn(b"d", _head("1"))
    # Who was asked for longest ago has gone.
    assert [known.knows(shape, "1") for shape in shapes] == [True, False, True, True]


def test_a_must_refetch_without_a_handle_ends_what_was_known() -> None:
    known = Handles(_nobody, Metrics())
    assert not known.learn(b"a", _head("1"))
    assert not known.learn(b"a", _head("1"))
    assert known.learn(b"a", _head(None, 409))
    assert not known.knows(b"a", "1")


def test_what_was_asked_before_the_shape_began_anew_refuses_nobody_who_knows_more() -> None:
    """Who joins a question is not judged by it alone, and a refusal is for a time only."""
    current, go, asked = ["1"], asyncio.Event(), []

    async def answer(shape: bytes) -> Head:
        said = current[0]
        asked.append(said)
        await go.wait()
        head = _head(said)
        known.learn(shape, head)
        return head

    known = Handles(answer, Metrics())

    async def run() -> None:
        first = asyncio.create_task(known.verify(b"a", "1", lambda: None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        current[0] = "2"
        second = asyncio.create_task(known.verify(b"a", "2", lambda: None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asked == ["1"]
        go.set()
        assert await first is None
        assert await second is None
        assert asked == ["1", "2"]

    asyncio.run(run())


def test_a_refusal_lasts_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def answer(shape: bytes) -> Head:
        asked.append(shape)
        known.learn(shape, _head("2"))
        return _head("2")

    known = Handles(answer, Metrics())

    async def come() -> str:
        head = await known.verify(b"a", "1", lambda: None)
        assert head
        return head.headers["electric-handle"]

    assert [asyncio.run(come()) for _ in range(3)] == ["2"] * 3
    assert len(asked) == 1
    monkeypatch.setattr(handles, "monotonic", lambda: monotonic() + 11)
    assert asyncio.run(come()) == "2"
    assert len(asked) == 2


def test_who_may_not_ask_is_told_so() -> None:
    known = Handles(_nobody, Metrics())

    def broke() -> None:
        raise Refusal(429, "too_many_requests", "too many")

    with pytest.raises(Refusal, match="too many"):
        asyncio.run(known.verify(b"a", "1", broke))
