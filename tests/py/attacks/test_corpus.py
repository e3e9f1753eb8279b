"""Every hostile request of the corpus, on a gatekeeper with nothing taken out."""

import httpx
import pytest

from tests.py.attacks import scene
from tests.py.attacks.hostile import Attack, corpus
from tests.py.attacks.striking import Stage
from tests.py.electric.electrics import Electric

_CORPUS = corpus()


@pytest.fixture(scope="module", autouse=True)
def first(stage: Stage) -> int:
    """Return how many requests had reached Electric before these tests."""
    return stage.recorder.count


@pytest.mark.parametrize("attack", _CORPUS, ids=[attack.name for attack in _CORPUS])
def test_a_hostile_request_comes_to_nothing(attack: Attack, stage: Stage) -> None:
    assert stage.strike(attack) == []


def test_the_corpus_is_of_all_twenty_ways() -> None:
    assert {attack.way for attack in _CORPUS} == set(range(1, 21))
    assert len({(attack.style, attack.say, attack.it) for attack in _CORPUS}) == len(_CORPUS)
    assert len({(attack.say, attack.it) for attack in _CORPUS}) >= 300


def test_nothing_but_own_shapes_reached_electric(stage: Stage, first: int) -> None:
    """What came late, after its answer, is here too. OTHER's own shape was begun for its handle."""
    stage.names()
    allowed = [
        stage.definition,
        stage.define("session_todos", scene.ACCOUNT, "s2"),
        stage.define("session_todos", scene.OTHER, "s1"),
    ]
    assert stage.recorder.count > first
    assert stage.not_of(allowed, first) == []
    assert stage.recorder.strays() == []


def test_without_a_gatekeeper_the_same_attacks_give_the_rows_of_others(
    stage: Stage, attacked_electric: Electric
) -> None:
    """The rows were there, and Electric gives them to who asks."""
    own = stage.definition
    query = {
        "secret": attacked_electric.secret,
        "offset": "-1",
        "table": own.table,
        "where": own.where,
        "params[1]": scene.ACCOUNT,
        "params[2]": "s1",
    }
    theirs = scene.Place(scene.OTHER, "s1")
    everything = '{"subset": {}, "where": "true", "params": {}}'
    with attacked_electric.client() as client:
        asked = client.get("/v1/shape", params=query)
        twice = client.get("/v1/shape", params=[*query.items(), ("params[1]", scene.OTHER)])
        posted = client.post("/v1/shape", params=query, content=everything)
        elsewhere = client.get("/v1/shape", params=query | {"table": "app.chat_messages"})
    assert scene.whose(asked.content) == [scene.Place(scene.ACCOUNT, "s1")]
    assert scene.whose(twice.content) == [theirs]
    assert scene.whose(posted.content) == list(scene.PLACES)
    assert elsewhere.status_code == httpx.codes.OK
