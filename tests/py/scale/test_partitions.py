"""Every table of an account can be cut by the account's hash, with each key and constraint kept.

docs/scale.md says when one would. The same is what Citus asks of tables that are distributed by
account_id. Here each table is made anew as a partitioned one, and must behave as before.
"""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from harness.connections import Connection, Server, connect
from harness.legacy.importer import import_folder
from harness.legacy.results import ImportRequest
from harness.settings import EXAMPLES
from harness.testing.servers import Databases
from tests.py.guide.running import ACCOUNT

PARTITIONS = 4

# Accounts themselves are few, looked up by a name: one table, on Citus a reference table. So is the
# mark of maintenance, which is one row.
_CUT = """
    select relname
    from pg_class
    where relnamespace = 'app'::regnamespace
        and relkind = 'r'
        and relname not in ('accounts', 'maintenance')
    order by relname
"""
_UNIQUE_WITHOUT_ACCOUNT = """
    select indexrelid::regclass::text
    from pg_index
    inner join pg_class on pg_class.oid = indrelid
    where relnamespace = 'app'::regnamespace
        and relname not in ('accounts', 'maintenance')
        and indisunique
        and not exists (
            select from pg_attribute
            where attrelid = indrelid and attname = 'account_id' and attnum = any (indkey)
        )
"""
_FOREIGN_WITHOUT_ACCOUNT = """
    select conname
    from pg_constraint
    where connamespace = 'app'::regnamespace
        and contype = 'f'
        and not exists (
            select from pg_attribute
            where attrelid = conrelid and attname = 'account_id' and attnum = any (conkey)
        )
"""
_FOREIGN_KEYS = """
    select relname, conname, pg_get_constraintdef(pg_constraint.oid)
    from pg_constraint
    inner join pg_class on pg_class.oid = conrelid
    where connamespace = 'app'::regnamespace and contype = 'f'
    order by relname, conname
"""
_CONSTRAINTS = """
    select relname, contype, replace(pg_get_constraintdef(pg_constraint.oid), 'cut.', 'app.')
    from pg_constraint
    inner join pg_class on pg_class.oid = conrelid
    where connamespace = %s::regnamespace
        and relname not in ('accounts', 'maintenance')
        and not relispartition
        and contype in ('c', 'f', 'p', 'u')
        and conparentid = 0
    order by relname, contype, 3
"""
_UNIQUE_INDEXES = """
    select relname, count(*)
    from pg_index
    inner join pg_class on pg_class.oid = indrelid
    where relnamespace = %s::regnamespace
        and relname not in ('accounts', 'maintenance')
        and indisunique
        and not relispartition
    group by relname
    order by relname
"""
_PAGE = """
    select id
    from cut.chat_messages
    where account_id = {account} and thread_id = %s
    order by created_at, id
    limit 50
"""


@pytest.fixture(scope="module")
def imported(databases: Databases) -> Iterator[Server]:
    with databases.migrated() as server:
        import_folder(server, ImportRequest(EXAMPLES, None), lambda *_: None)
        yield server


@pytest.fixture
def connection(imported: Server) -> Iterator[Connection]:
    """Give a connection to a database whose tables are there a second time, cut into parts."""
    with connect(imported, "test") as opened, opened.transaction(force_rollback=True):
        cut_all(opened)
        yield opened


def cut_all(connection: Connection) -> None:
    """Make each table of schema app anew in schema cut, as partitions by the account's hash."""
    tables = [name for (name,) in connection.execute(_CUT)]
    assert "chat_messages" in tables
    connection.execute("create schema cut")
    for name in tables:
        table = sql.Identifier(name)
        connection.execute(
            sql.SQL(
                "create table cut.{} (like app.{} including all) partition by hash (account_id)"
            ).format(table, table)
        )
        for part in range(PARTITIONS):
            connection.execute(
                sql.SQL(
                    "create table cut.{} partition of cut.{}"
                    " for values with (modulus {}, remainder {})"
                ).format(sql.Identifier(f"{name}_{part}"), table, PARTITIONS, part)
            )
        connection.execute(sql.SQL("insert into cut.{} select * from app.{}").format(table, table))
    for name, constraint, definition in connection.execute(_FOREIGN_KEYS).fetchall():
        ours = definition.replace("REFERENCES app.", "REFERENCES cut.")
        ours = ours.replace("cut.accounts(", "app.accounts(")
        connection.execute(
            sql.SQL("alter table cut.{} add constraint {} {}").format(
                sql.Identifier(name), sql.Identifier(constraint), sql.SQL(ours)
            )
        )
    connection.execute("analyze")


def test_every_key_begins_with_what_is_distributed(connection: Connection) -> None:
    for query in (_UNIQUE_WITHOUT_ACCOUNT, _FOREIGN_WITHOUT_ACCOUNT):
        assert connection.execute(query).fetchall() == []


def test_a_key_without_the_account_is_found(connection: Connection) -> None:
    connection.execute("alter table app.todos add constraint todos_id_key unique (id)")
    assert connection.execute(_UNIQUE_WITHOUT_ACCOUNT).fetchall() == [("app.todos_id_key",)]
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="partition"):
        connection.execute(
            "create table app.cut (like app.todos including all) partition by hash (account_id)"
        )


def test_all_constraints_and_rows_are_there(connection: Connection) -> None:
    for query in (_CONSTRAINTS, _UNIQUE_INDEXES):
        whole = connection.execute(query, ["app"]).fetchall()
        assert whole
        assert connection.execute(query, ["cut"]).fetchall() == whole
    messages = "select * from {}.chat_messages order by account_id, id"
    rows = connection.execute(messages.format("app").encode()).fetchall()
    assert len(rows) > 10
    assert connection.execute(messages.format("cut").encode()).fetchall() == rows


@pytest.mark.parametrize(
    ("change", "states"),
    [
        ("update cut.chat_messages set thread_id = 'thread_of_nobody'", {"23503"}),
        ("insert into cut.chat_messages select * from app.chat_messages limit 1", {"23505"}),
        ("update cut.chat_messages set role = 'nobody'", {"23514"}),
        # Postgres 18 has a code of its own for "on delete restrict".
        ("delete from app.accounts", {"23503", "23001"}),
    ],
)
def test_constraints_hold(connection: Connection, change: str, states: set[str]) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as caught:
        connection.execute(change.encode())
    assert caught.value.sqlstate in states


def test_what_belongs_to_a_session_goes_with_it(connection: Connection) -> None:
    count = "select count(*) from cut.chat_messages"
    assert connection.execute(count).fetchall() != [(0,)]
    connection.execute("delete from cut.sessions")
    assert connection.execute(count).fetchall() == [(0,)]


@pytest.mark.parametrize("account", [f"'{ACCOUNT}'", "(select app.current_account_id())"])
def test_a_page_reads_one_part_by_its_index(connection: Connection, account: str) -> None:
    claims = json.dumps({"sub": ACCOUNT})
    connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
    connection.execute("set local enable_seqscan = off")
    threads = "select thread_id from cut.chat_messages group by thread_id order by count(*) desc"
    thread = connection.execute(threads).fetchall()[0][0]
    page = _PAGE.format(account=account)
    assert connection.execute(page.encode(), [thread]).fetchall()
    explained = connection.execute(f"explain (analyze, format json) {page}".encode(), [thread])
    scans = list(_scans(explained.fetchall()[0][0][0]["Plan"]))
    read = [scan for scan in scans if scan["Actual Loops"]]
    assert len(read) == 1
    assert "account_id = " in read[0]["Index Cond"]
    assert "thread_id = " in read[0]["Index Cond"]


def _scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Index Cond" in plan:
        yield plan
    for below in plan.get("Plans", []):
        yield from _scans(below)
