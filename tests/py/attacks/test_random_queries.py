"""Query strings at random: what reaches Electric is what was claimed, or nothing does."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.py.attacks import scene
from tests.py.attacks.hostile import Attack
from tests.py.attacks.striking import Stage

_NAMES = [
    "table",
    "where",
    "columns",
    "queryable_columns",
    "replica",
    "log",
    "params[1]",
    "params[2]",
    "params[3]",
    "params[01]",
    "params[]",
    "params",
    "params[1][]",
    "offset",
    "handle",
    "live",
    "live_sse",
    "experimental_live_sse",
    "cursor",
    "expired_handle",
    "cache-buster",
    "secret",
    "api_secret",
    "subset__where",
    "subset__limit",
    "subset",
    "token",
    "x",
]
_VALUES = (
    "-1", "now", "0_0", "0_inf", "{handle}", "{other_handle}", "{beside_handle}", "true", "false",
    "", "0", "1", "app.todos", "app.chat_messages", '"app"."todos"', "{account}", "{other}", "s1",
    "s2", "theirs", "full", "default", "changes_only", "id", "*", "{secret}", "1234567890123-abc",
    "session_id = $2 and account_id = $1", "true or true", "{columns}",
)  # fmt: skip
_STATUSES = (200, 304, 400, 401, 403, 404, 409, 414, 431)


def _encoded(text: str, how: int) -> str:
    """Encode every how-th character, or none; what would break the request line always."""
    return "".join(
        "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))
        if (how and n % how == 0 and letter not in "{}_") or not "!" <= letter <= "~"
        else letter
        for n, letter in enumerate(text)
    )


_name = st.sampled_from(_NAMES) | st.text(max_size=6)
_value = st.sampled_from(_VALUES) | st.text(max_size=12)
_encoding = st.sampled_from([0, 0, 0, 1, 2, 3])
_pair = st.tuples(_name, _value, _encoding, _encoding).map(
    lambda drawn: f"{_encoded(drawn[0], drawn[2])}={_encoded(drawn[1], drawn[3])}"
)
_piece = _pair | st.sampled_from(
    ["{own:table}", "{own:where}", "{own:columns}", "&", "=", ";", "%", "%00", "%C0%AF", "+"]
)
_separator = st.sampled_from(["&", "&", "&", "&", ";", "&&", "%26", "?", "#"])
_query = st.builds(
    lambda start, pieces: start + "".join(separator + piece for separator, piece in pieces),
    st.sampled_from(["offset=-1", "offset=0_0&handle={handle}", "offset=now", ""]),
    st.lists(st.tuples(_separator, _piece), max_size=6),
)


@settings(max_examples=400, deadline=None)
@given(query=_query, style=st.sampled_from(["gatekeeper", "proxy"]))
def test_what_reaches_electric_is_what_was_claimed_or_nothing(
    query: str, style: str, stage: Stage
) -> None:
    attack = Attack(0, style, "drawn", _STATUSES, query=query)
    assert stage.strike(attack) == []


@settings(max_examples=150, deadline=None)
@given(
    session=st.sampled_from(["s1", "s2", "theirs", "shared", "nowhere"]) | st.text(max_size=8),
    shape=st.sampled_from(["session_todos", "session", "account_sessions", "thread_messages"])
    | st.text(max_size=8),
    owner=st.sampled_from(["", "&owner={account}", "&owner={other}", "&owner={disabled}"]),
    encoding=_encoding,
)
def test_a_path_gives_what_is_ones_own_or_nothing(
    session: str, shape: str, owner: str, encoding: int, stage: Stage
) -> None:
    """Of all that is drawn, ACCOUNT may have its own two sessions and the one that is shared."""
    own = [
        stage.define(name, account, place)
        for name in ("session_todos", "session")
        for account, place in (
            (scene.ACCOUNT, "s1"),
            (scene.ACCOUNT, "s2"),
            (scene.OTHER, "shared"),
        )
    ]
    how = encoding or 1
    path = f"/v1/sessions/{_encoded(session, how)}/shapes/{_encoded(shape, how)}"
    attack = Attack(0, "proxy", "drawn", _STATUSES, query=f"offset=-1{owner}", path=path)
    since = stage.recorder.count
    body = stage.send(attack).raw
    assert stage.not_of(own, since) == []
    for place in scene.whose(body):
        assert place in {
            scene.Place(scene.ACCOUNT, "s1"),
            scene.Place(scene.ACCOUNT, "s2"),
            scene.Place(scene.OTHER, "shared"),
        }
