"""What is revoked while it is held: it ends within a second, and nothing comes after."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from harness.connections import Connection
from tests.py.attacks import scene, wire
from tests.py.attacks.guests import (
    COOKIE,
    PATIENCE_S,
    Guest,
    How,
    end_of,
    end_of_shape,
    held,
    write_todo,
)
from tests.py.attacks.recorder import Recorder
from tests.py.waiting import wait_until

Revoke = Callable[[Guest, Connection], object]

_HOW: tuple[How, ...] = ("jwt", "cookie", "jwt token", "cookie token")
_LIVE = {"a poll": "", "events": "&live_sse=true"}


def _disable(guest: Guest, writer: Connection) -> None:
    writer.execute("update app.accounts set status = 'disabled' where id = %s", [guest.account])


def _remove_identity(guest: Guest, writer: Connection) -> None:
    writer.execute("delete from auth.identities where subject = %s", [guest.account])


def _revoke_logins(guest: Guest, writer: Connection) -> None:
    writer.execute(
        "update auth.login_sessions set revoked_at = now(), revoked_why = 'by an operator' "
        "where account_id = %s",
        [guest.account],
    )


def _revoke_all(guest: Guest, writer: Connection) -> None:
    writer.execute("select auth.end_login_sessions(%s)", [guest.account])


_FOR_ALL: dict[str, Revoke] = {
    "the membership is removed": Guest.leave,
    "the account is disabled": _disable,
    "the identity is removed": _remove_identity,
    "an operator ends all": _revoke_all,
}
_CASES = [(why, revoke, how) for why, revoke in _FOR_ALL.items() for how in _HOW] + [
    ("the login session is revoked", _revoke_logins, how) for how in _HOW if "cookie" in how
]


@pytest.mark.parametrize("more", _LIVE.values(), ids=_LIVE.keys())
@pytest.mark.parametrize(
    ("why", "revoke", "how"), _CASES, ids=[f"{why}, {how}" for why, _, how in _CASES]
)
def test_what_is_held_ends_at_once(  # noqa: PLR0913, PLR0917 - who, how, what
    why: str, revoke: Revoke, how: How, more: str, guest: Guest, writer: Connection
) -> None:
    del why
    header = guest.header(how)
    with held(guest, how, header, more) as connection:
        revoke(guest, writer)
        taken, seconds = end_of(connection)
    assert seconds < PATIENCE_S
    assert scene.whose(taken) == []
    if not more:
        assert wire.exchange_of(taken).status in {401, 403}
    again = wire.exchange(guest.gatekeeper.port, guest.request(how, header, "offset=-1"))
    assert again.status in {401, 403}
    assert scene.whose(again.raw) == []


@pytest.mark.parametrize("more", _LIVE.values(), ids=_LIVE.keys())
@pytest.mark.parametrize("how", _HOW)
def test_what_is_revoked_and_written_in_one_transaction_is_not_brought(
    how: How, more: str, guest: Guest, writer: Connection
) -> None:
    mark = f"with-{uuid4()}"
    with held(guest, how, guest.header(how), more) as connection:
        with writer.transaction():
            write_todo(writer, guest, mark)
            guest.leave(writer)
        taken, seconds = end_of(connection)
    assert seconds < PATIENCE_S
    assert mark.encode() not in taken


@pytest.mark.parametrize("how", _HOW)
def test_who_is_not_revoked_is_brought_what_is_written(
    how: How, guest: Guest, writer: Connection
) -> None:
    """Without this the tests above could not fail."""
    mark = f"before-{uuid4()}"
    header = guest.header(how)
    with held(guest, how, header) as connection:
        write_todo(writer, guest, mark)
        taken, _ = end_of(connection)
    assert mark.encode() in taken
    mark = f"event-{uuid4()}"
    with held(guest, how, header, "&live_sse=true") as connection:
        write_todo(writer, guest, mark)
        connection.read_until(mark.encode())


def test_one_poll_of_two_ends_for_who_is_revoked_only(
    guest: Guest, recorder: Recorder, writer: Connection
) -> None:
    """They share what is asked of Electric, and not the right to it."""
    stays = Guest(guest.gatekeeper, session=guest.session).enter(writer)
    mark = f"shared-{uuid4()}"
    header, other_header = guest.header("jwt token"), stays.header("cookie token")
    end_of_shape(guest, "jwt token", header)
    since = recorder.count
    with (
        held(guest, "jwt token", header) as connection,
        held(stays, "cookie token", other_header) as other,
    ):
        asked = [head for head in recorder.heads(since) if b"live=true" in head]
        guest.leave(writer)
        write_todo(writer, guest, mark)
        taken, seconds = end_of(connection)
        kept, _ = end_of(other)
    assert len(asked) == 1
    assert seconds < PATIENCE_S
    assert mark.encode() not in taken
    assert mark.encode() in kept


def test_a_revoked_login_session_leaves_the_others(guest: Guest, writer: Connection) -> None:
    first, second = guest.sign_in(), guest.sign_in()
    mark = f"second-{uuid4()}"
    with (
        held(guest, "cookie", f"Cookie: {COOKIE}={first}") as one,
        held(guest, "cookie", f"Cookie: {COOKIE}={second}") as two,
    ):
        with guest.gatekeeper.client() as client:
            answer = client.delete(
                "/auth/session",
                headers={"cookie": f"{COOKIE}={first}", "sec-fetch-site": "same-origin"},
            )
        assert answer.is_success, answer.text
        ended, seconds = end_of(one)
        write_todo(writer, guest, mark)
        kept, _ = end_of(two)
    assert seconds < PATIENCE_S
    assert wire.exchange_of(ended).status == 401
    assert mark.encode() in kept


@pytest.mark.parametrize("how", _HOW)
def test_a_gatekeeper_that_hears_nothing_asks_before_it_delivers(
    how: How, guest: Guest, writer: Connection
) -> None:
    """Its ear is cut off in the transaction before; the answer is checked all the same."""
    mark = f"deaf-{uuid4()}"
    with held(guest, how, guest.header(how)) as connection:
        wait_until(lambda: _deafen(writer) > 0)
        with writer.transaction():
            guest.leave(writer)
            write_todo(writer, guest, mark)
        taken, _ = end_of(connection)
    assert mark.encode() not in taken


def test_who_comes_back_is_let_in_again(guest: Guest, writer: Connection) -> None:
    """With what is new: what was claimed before is over for good."""
    port, token = guest.gatekeeper.port, guest.header("jwt token")
    guest.leave(writer)
    before = guest.request("jwt", guest.header("jwt"), "offset=-1")
    assert wire.exchange(port, before).status == 403
    guest.come_back(writer)
    for how in _HOW:
        wait_until(lambda how=how: _is_let_in(guest, how))  # type: ignore[misc]
    old = guest.request("jwt token", token, "offset=-1")
    assert wire.exchange(port, old).status == 401


def _is_let_in(guest: Guest, how: How) -> bool:
    """Ask with what is new. Clocks may be a second apart, so that at first it seems old."""
    answered = wire.exchange(
        guest.gatekeeper.port, guest.request(how, guest.header(how), "offset=-1")
    )
    assert answered.status in {200, 401}
    return answered.status == 200


def _deafen(writer: Connection) -> int:
    """Cut off whoever listens, and say how many there were."""
    row = writer.execute(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where datname = current_database() and query ilike 'listen%'"
    ).fetchone()
    return int(row[0]) if row else 0
