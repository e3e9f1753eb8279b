"""What is found when a defence is taken out: each of them is all that stands before something.

The gatekeeper runs in this process, without the defence, and the attacks that it is against are
made again. Nothing found means that nobody would notice if it were lost.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.py.attacks import (
    test_cache_crossing,
    test_forged,
    test_leaving,
    test_revoked,
    test_same_answers,
    test_signed_in,
    test_upstream,
    weakening,
)
from tests.py.attacks.attacked import KEEP_NOTHING, running_here
from tests.py.attacks.canonical import Canon
from tests.py.attacks.credentials import Issuer
from tests.py.attacks.guests import Guest
from tests.py.attacks.hostile import corpus
from tests.py.attacks.recorder import Recorder
from tests.py.attacks.scene import ACCOUNT, OTHER
from tests.py.attacks.striking import Stage
from tests.py.electric.electrics import SECRET, Electric

Finder = Callable[[Stage], object]
Without = Callable[[weakening.TakeOut | None], AbstractContextManager[Stage]]


def _corpus(*ways: int) -> Finder:
    """Make the attacks of these ways."""

    def strike(stage: Stage) -> None:
        for attack in corpus():
            if attack.way in ways:
                assert stage.strike(attack) == [], attack.name

    return strike


@cache
def _forged(kind: str) -> Finder:
    """Come with tokens of one kind that are no good."""

    def come(stage: Stage) -> None:
        issuer = stage.gatekeeper.issuer
        for say in test_forged.BY_ISSUER if kind == "issuer" else ():
            test_forged.test_a_forged_token_of_the_issuer_signs_nobody_in(say, stage, issuer)
        for say in test_forged.SPOILED if kind == "spoiled" else ():
            token = stage.names()["token"]
            test_forged.test_a_spoiled_token_is_none(say, stage, issuer, token)
        for say in test_forged.SIGNED if kind == "signed" else ():
            token = stage.names()["token"]
            test_forged.test_a_token_of_another_kind_is_no_shape_token(say, stage, token)

    return come


def _crossing(stage: Stage) -> None:
    with stage.gatekeeper.client(ACCOUNT) as one, stage.gatekeeper.client(OTHER) as two:
        test_cache_crossing.test_one_name_of_a_session_is_two_sessions(one, two)


def _foreign(stage: Stage) -> None:
    test_same_answers.test_a_path_to_a_foreign_session_is_one_to_nowhere("session", stage)


def _bad_upstream(stage: Stage) -> None:
    token = stage.names()["token"]
    with stage.gatekeeper.client() as client:
        client.headers["authorization"] = f"Bearer {token}"
        try:
            for say in test_upstream.REFUSED:
                test_upstream.test_what_electric_should_not_say_is_unavailable(
                    say, stage.recorder, client
                )
            test_upstream.test_of_headers_only_those_that_are_known_come_back(
                stage.recorder, client
            )
        finally:
            stage.recorder.canned = None


def _other_pages(stage: Stage) -> None:
    with stage.database() as writer, stage.gatekeeper.client() as client:
        guest = Guest(stage.gatekeeper).enter(writer)
        for method, path in test_signed_in.WRITES:
            test_signed_in.test_another_sites_page_writes_nothing(
                method, path, {"sec-fetch-site": "cross-site"}, client, guest
            )


def _odd_cookies(stage: Stage) -> None:
    with stage.database() as writer:
        guest = Guest(stage.gatekeeper).enter(writer)
        for cookie in test_signed_in.ODD_COOKIES:
            test_signed_in.test_a_cookie_that_is_not_exactly_ours_is_none(cookie, guest)


def _held(stage: Stage) -> None:
    with stage.database() as writer:
        for how in ("jwt", "cookie token"):
            guest = Guest(stage.gatekeeper).enter(writer)
            test_revoked.test_what_is_held_ends_at_once("", Guest.leave, how, "", guest, writer)


def _delivered(stage: Stage) -> None:
    with stage.database() as writer:
        for _ in range(5):
            guest = Guest(stage.gatekeeper).enter(writer)
            test_revoked.test_a_gatekeeper_that_hears_nothing_asks_before_it_delivers(
                "jwt token", guest, writer
            )


def _left(stage: Stage) -> None:
    test_leaving.test_a_poll_that_nobody_waits_for_any_more_is_given_up(stage, stage.recorder)


def _rows(stage: Stage) -> None:
    """Look for rows of others only, for there is much else to be found."""
    for attack in corpus():
        if attack.way == 6 and attack.style == "gatekeeper":
            rows = [fault for fault in stage.strike(attack) if "a row of another" in fault]
            assert rows == [], attack.name


_DEFENCES: dict[weakening.TakeOut, Finder] = {
    weakening.read_leniently: _corpus(1, 3),
    weakening.pass_over_what_is_unknown: _corpus(7, 11),
    weakening.take_any_value: _corpus(5, 9),
    weakening.compare_nothing: _corpus(4, 6, 7),
    weakening.compare_all_but_params: _corpus(6),
    weakening.forward_the_query: _corpus(13),
    weakening.forward_the_headers: _corpus(11),
    weakening.return_all_headers: _bad_upstream,
    weakening.keep_electrics_cache_control: _corpus(13),
    weakening.take_any_method: _corpus(8),
    weakening.take_the_first_header: _corpus(15),
    weakening.believe_any_handle: _corpus(5),
    weakening.keep_by_table: _crossing,
    weakening.do_as_published_examples: _rows,
    weakening.hear_nothing: _held,
    weakening.deliver_unchecked: _delivered,
    weakening.let_any_page_write: _other_pages,
    weakening.take_the_last_cookie: _odd_cookies,
    weakening.keep_what_nobody_waits_for: _left,
    weakening.follow_redirects: _bad_upstream,
    weakening.act_as_nobody_in_particular: _foreign,
    weakening.verify_no_signature_of_shape_tokens: _forged("spoiled"),
    weakening.check_no_type_and_audience_of_shape_tokens: _forged("signed"),
    weakening.verify_no_signature_of_the_issuer: _forged("issuer"),
    weakening.check_no_times_and_audience_of_the_issuer: _forged("issuer"),
    weakening.take_any_algorithm_of_the_issuer: _forged("issuer"),
}
_KEEPING = {weakening.keep_by_table}
"""Defences of what is kept: they are looked for in a gatekeeper that keeps something."""


@pytest.fixture
def without(
    folder: Path,
    issuer: Issuer,
    environment: dict[str, str],
    recorder: Recorder,
    attacked_electric: Electric,
) -> Without:
    """Return a way to run a gatekeeper in this process, without one of its defences."""
    canon = Canon(f"127.0.0.1:{recorder.port}", SECRET)

    @contextmanager
    def run(take_out: weakening.TakeOut | None) -> Iterator[Stage]:
        settings = environment if take_out in _KEEPING else environment | KEEP_NOTHING
        with (
            weakening.weakened(take_out or (lambda _: None)),
            running_here(folder, issuer, settings) as gatekeeper,
        ):
            stage = Stage(gatekeeper, recorder, attacked_electric.server, canon)
            # What it is for, it still does.
            stage.names()
            yield stage

    return run


@pytest.mark.parametrize("take_out", _DEFENCES, ids=lambda take_out: take_out.__name__)
def test_a_defence_that_is_taken_out_is_missed(
    take_out: weakening.TakeOut, without: Without
) -> None:
    with without(take_out) as stage, pytest.raises(AssertionError) as found:
        _DEFENCES[take_out](stage)
    # A gatekeeper that fails would be missed as well, for another reason.
    assert not re.search(r"(status is|assert) 50\d", str(found.value)), found.value


def test_with_all_defences_nothing_is_found(without: Without) -> None:
    """In this process too, or what is found above could be of the process."""
    with without(None) as stage:
        for finder in dict.fromkeys(_DEFENCES.values()):
            finder(stage)
