"""Writers that do anything to a table: rows come, change, move, get other keys, and go."""

from random import Random
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from harness.connections import Connection, Server, connect

Statement = tuple[LiteralString, dict[str, Any]]

_IDS = 30
_MOST_STATEMENTS = 6
_ROLLBACKS = 0.15
_COLUMNS = "account_id, id, session_id, role, content, seq, done, tags, score"
_INSERT = f"""
    insert into rec.messages ({_COLUMNS})
    values ('a1', %(id)s, %(session)s, 'user', %(content)s, %(seq)s, %(done)s, %(tags)s, %(score)s)
    on conflict (account_id, id) do update set seq = excluded.seq, session_id = excluded.session_id
"""
_MANY = """
    insert into rec.messages (account_id, id, session_id, role, content, seq)
    select 'a1', %(id)s || '-' || number, %(session)s, 'user', left(%(content)s, 20), number
    from generate_series(1, %(count)s) as number
    on conflict (account_id, id) do nothing
"""
_STATEMENTS: tuple[LiteralString, ...] = (
    _INSERT,
    _INSERT,
    _INSERT,
    "update rec.messages set session_id = %(session)s where account_id = 'a1' and id = %(id)s",
    "update rec.messages set done = not done, seq = seq + 1 where id = %(id)s",
    "update rec.messages set content = %(content)s where id = %(id)s",
    "update rec.messages set extra = '{}' where id = %(id)s",
    "update rec.messages set tags = %(tags)s, score = %(score)s where id = %(id)s",
    "update rec.messages set id = id || 'x' where id = %(id)s",
    "delete from rec.messages where id like %(id)s || '%%'",
    _MANY,
)


def write_at_random(server: Server, seed: str, transactions: int) -> None:
    """Do something, in transactions of several statements, some of them rolled back."""
    random = Random(seed)  # noqa: S311 - the same again for a seed
    with connect(server, "test") as connection:
        for _ in range(transactions):
            try:
                with connection.transaction():
                    for _ in range(random.randint(1, _MOST_STATEMENTS)):
                        _do_something(connection, random, seed)
                    if random.random() < _ROLLBACKS:
                        raise psycopg.Rollback
            except psycopg.errors.UniqueViolation:
                # Another row has the key that this one was to get.
                continue


def _do_something(connection: Connection, random: Random, seed: str) -> None:
    values = {
        # Writers keep to their own rows, so that none waits for another.
        "id": f"{seed}/{random.randrange(_IDS)}",
        "session": random.choice(("s1", "s2", "s3")),
        "content": random.choice((None, "short", "café 😀 \\ \" '", _large(random))),
        "seq": random.randrange(100),
        "done": random.random() < 0.5,
        "tags": random.choice((None, [], ["s1", 'y "z"'], ["{", ",", "NULL"])),
        "score": random.choice((None, "1.50", "-0.000001", "NaN")),
        "count": random.choice((2, 100, 200)),
    }
    connection.execute(random.choice(_STATEMENTS), values)


def _large(random: Random) -> str:
    """Write what Postgres keeps apart from its row, for it can't be compressed to fit."""
    return random.randbytes(8_000).hex()


def select(connection: Connection, where: str, columns: list[str]) -> list[tuple[str | None, ...]]:
    """Return the rows that a shape should have, sorted, as text."""
    names = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(c)) for c in columns)
    query = sql.SQL("select {} from rec.messages where ").format(names) + sql.SQL(where)
    return sorted(connection.execute(query).fetchall(), key=repr)
