"""What must hold, whatever was broken. Each check says how much it looked at, and what is wrong."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from drill.followers import Follower, Stranger
from drill.importing import UNDISTURBED, Importer, digest_of
from drill.ledger import MARK, Ledger
from drill.stage import Stage
from harness.acting import acting_as
from harness.connections import Connection
from harness.testing.consistency import broken
from harness.testing.shape_log import Row

CONVERGE_S = 60
_SHOWN = 5


@dataclass
class Check:
    """What was looked at, how much of it there was, and what is wrong with it."""

    name: str
    looked_at: dict[str, int]
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def check_writes(connection: Connection, ledger: Ledger, owner: object) -> Check:
    """See that no acknowledged write is lost, doubled or changed, and no refused one is there."""
    there: dict[str, list[tuple[str, str, str]]] = {}
    for known_as, *row in connection.execute(
        "select client_message_id, id, session_id, content from app.chat_messages "
        "where account_id = %s",
        [owner],
    ):
        there.setdefault(str(known_as), []).append((str(row[0]), str(row[1]), str(row[2])))
    wrong: list[str] = []
    for write in ledger.writes.values():
        found = there.pop(write.client_message_id, [])
        if len(found) > 1:
            wrong.append(f"{write.client_message_id} is there {len(found)} times")
        if write.state == "refused" and found:
            wrong.append(f"{write.client_message_id} was refused, and is there")
        wanted = (write.message_id, write.session_id, write.content)
        if write.state == "acknowledged" and wanted not in found:
            what = "with other values" if found else "not there"
            wrong.append(f"{write.client_message_id} was acknowledged, and is {what}")
    wrong += [f"{known_as} is there, and nobody wrote it" for known_as in there]
    states: Counter[str] = Counter(write.state for write in ledger.writes.values())
    tries = sum(write.tries for write in ledger.writes.values())
    return Check(
        "no acknowledged write lost, none doubled",
        {"written": len(ledger.writes), "tries": tries, **states},
        wrong,
    )


def check_tools(connection: Connection, ledger: Ledger, owner: object) -> Check:
    """See that acknowledged tool events are there, and as finished as was acknowledged."""
    rows = connection.execute(
        "select id, status, result ->> 'said' from app.chat_tool_events where account_id = %s",
        [owner],
    ).fetchall()
    there = {str(id_): (status, said) for id_, status, said in rows}
    wrong = []
    for tool in ledger.tools.values():
        found = there.get(tool.id)
        if found is None:
            wrong.append(f"tool event {tool.id} was acknowledged, and is not there")
        elif tool.finished and found != ("succeeded", tool.result):
            wrong.append(f"tool event {tool.id} was finished, and is {found[0]}")
    finished = sum(tool.finished for tool in ledger.tools.values())
    looked_at = {"started": len(ledger.tools), "finished": finished}
    return Check("no acknowledged tool event lost", looked_at, wrong)


def check_tables(connection: Connection, account_id: UUID | None = None) -> Check:
    """See that threads say what their messages say, and what else holds; of an account, or all."""
    found = broken(lambda sql: connection.execute(sql.encode()), account_id)
    wrong = [f"{what}: {', '.join(ids[:_SHOWN])}" for what, ids in found.items()]
    ((threads, messages),) = connection.execute(
        "select (select count(*) from app.chat_threads), (select count(*) from app.chat_messages)"
    ).fetchall()
    return Check(
        "what is derived agrees with what it is derived from",
        {"threads": threads, "messages": messages},
        wrong,
    )


def check_followers(
    stage: Stage,
    connection: Connection,
    followers: Sequence[Follower],
    patience_s: float = CONVERGE_S,
) -> Check:
    """See that clients come to have exactly the rows of their shapes, told in order."""
    wrong: list[str] = []
    looked_at = {
        "clients": len(followers),
        "answers": sum(each.answers for each in followers),
        "changes": sum(each.changes for each in followers),
        "begun anew": sum(each.refetches for each in followers),
        "rows": 0,
    }
    ends_at = time.monotonic() + patience_s
    for follower in followers:
        wanted = rows_of(stage, connection, follower)
        looked_at["rows"] += len(wanted)
        has = _sorted(follower.copy())
        while has != wanted and time.monotonic() < ends_at:
            time.sleep(0.1)
            has = _sorted(follower.copy())
        if has != wanted:
            both = len(set(has) & set(wanted))
            wrong.append(
                f"{follower.name} has {len(has)} rows, the database {len(wanted)}, {both} the same"
            )
        wrong += [f"{follower.name}: {what}" for what in follower.wrong[:_SHOWN]]
        if not follower.answers:
            wrong.append(f"{follower.name} was never answered")
    return Check("clients have the database's rows, told in order", looked_at, wrong)


def rows_of(stage: Stage, connection: Connection, follower: Follower) -> list[str]:
    """Return the rows that a client should have, each as text, as Electric writes values."""
    wanted = follower.wanted
    with acting_as(connection, getattr(stage.cast, wanted.who)):
        ((schema, table, columns, where, params),) = connection.execute(
            "select table_schema, table_name, columns, where_clause, params "
            "from sync.authorize_shape(%s, %s, account_id => %s)",
            [wanted.shape, wanted.session_id, stage.cast.owner],
        ).fetchall()
    texts = ", ".join(f'"{column}"::text' for column in columns)
    rows = psycopg.RawCursor(connection).execute(
        f'select {texts} from "{schema}"."{table}" where {where}'.encode(),  # noqa: S608 - the registry's
        params,
    )
    return _sorted(dict(zip(columns, row, strict=True)) for row in rows)


def check_stranger(stranger: Stranger) -> Check:
    """See that nobody was given a shape that they may not have."""
    wrong = [f"a stranger was given a shape {stranger.given} times"] if stranger.given else []
    if not stranger.refused:
        wrong.append("the stranger was never refused: it was not tried")
    return Check("a stranger gets nothing", {"refused": stranger.refused}, wrong)


def check_imports(connection: Connection, importer: Importer) -> Check:
    """See that every import ended as the undisturbed one did, however often it was cut off."""
    undisturbed = digest_of(connection, UNDISTURBED)
    wrong = []
    for account in importer.finished:
        found = digest_of(connection, account)
        wrong += [
            f"{account}: {table} has {found[table][0]} rows, undisturbed {rows[0]}, or other ones"
            for table, rows in undisturbed.items()
            if found[table] != rows
        ]
    if not undisturbed["chat_messages"][0]:
        wrong.append("the undisturbed import brought nothing in")
    looked_at = {
        "imports": len(importer.finished),
        "runs": importer.codes.total(),
        "rows each": sum(rows for rows, _ in undisturbed.values()),
    }
    return Check("imports end as an undisturbed one", looked_at, wrong)


def check_connections(connection: Connection, idle_s: float = 5) -> Check:
    """See that no transaction stays open, and no slot but the one the stand-in follows by."""
    idle = connection.execute(
        "select application_name from pg_stat_activity "
        "where state like 'idle in transaction%%' "
        "and clock_timestamp() - state_change > make_interval(secs => %s)",
        [idle_s],
    ).fetchall()
    slots = connection.execute(
        "select slot_name, active, temporary from pg_replication_slots"
    ).fetchall()
    prepared = connection.execute("select gid from pg_prepared_xacts").fetchall()
    wrong = [f"idle in a transaction: {name}" for (name,) in idle]
    wrong += [f"a prepared transaction: {gid}" for (gid,) in prepared]
    if [slot[1:] for slot in slots] != [(True, True)]:
        wrong.append(f"slots: {slots}; expected one, active and temporary")
    ((connections,),) = connection.execute("select count(*) from pg_stat_activity").fetchall()
    return Check(
        "no open transaction, no slot left",
        {"connections": connections, "slots": len(slots)},
        wrong,
    )


def check_logs(stage: Stage, printed: Iterable[Path], secrets: Iterable[str]) -> Check:
    """See that what programs print holds no content of a row, no secret, and no traceback."""
    paths = {stage.stand_in.log, stage.gatekeeper.log, *printed}
    wrong, size = [], 0
    for path in sorted(paths):
        text = path.read_text(errors="replace") if path.exists() else ""
        size += len(text)
        for what, word in (("a traceback", "Traceback"), ("content of a row", MARK)):
            if word in text:
                wrong.append(f"{path.name} holds {what}")
        if any(secret in text for secret in secrets):
            wrong.append(f"{path.name} holds a secret")
    if MARK in stage.postgres_log():
        wrong.append("Postgres' log holds content of a row")
    return Check("logs are clean", {"logs": len(paths) + 1, "characters": size}, wrong)


def check_surprises(stage: Stage, ledger: Ledger) -> Check:
    """See that nothing happened that no fault explains."""
    wrong = [*stage.surprises, *ledger.surprises]
    return Check("nothing unexplained", {"answers": ledger.answers.total()}, wrong)


def _sorted(rows: Iterable[Row] | Iterable[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
