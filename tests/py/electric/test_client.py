"""Electric's own client makes values of every type of what an Electric sends."""

import json
from pathlib import Path

import pytest

from harness.connections import Connection
from harness.settings import Settings
from tests.py.electric.clients import lay_out_programs, running
from tests.py.electric.electrics import Electric

_TYPED = ["account_id", "id", "content", "seq", "done", "tags", "extra", "score"]


@pytest.mark.parametrize("sse", [False, True], ids=["long polls", "events"])
def test_values_have_their_types(
    electric: Electric, table: Connection, settings: Settings, tmp_path: Path, *, sse: bool
) -> None:
    lay_out_programs(settings, tmp_path)
    options = {
        "url": f"{electric.url}/v1/shape",
        "params": {
            "table": "rec.messages",
            "where": "session_id = $1 and id = $2",
            "params": ["s1", "m1"],
            "columns": _TYPED,
            "secret": electric.secret,
        },
    }
    way = {"style": "electric", "options": options, "sse": sse}
    table.execute("delete from rec.messages where account_id <> 'a1'")
    with running(tmp_path, "shape.mjs", {"WAY": json.dumps(way)}) as client:
        (first,) = client.until_rows("hello")
        assert (first["seq"], first["done"], first["tags"]) == (1, False, ["x", "y z"])
        assert (first["extra"], first["score"]) == ({"k": [1, 2.5, None]}, "1.50")
        table.execute(r"""
            update rec.messages
            set content = 'later', done = true, seq = -7, tags = '{NULL,"{"}', extra = 'null'
            where id = 'm1'
        """)
        (then,) = client.until_rows("later")
    assert (then["seq"], then["done"], then["tags"]) == (-7, True, [None, "{"])
    assert (then["extra"], then["score"]) == (None, "1.50")
