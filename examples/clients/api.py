"""Calls functions of schema api with psycopg 3, on connections in autocommit mode."""

import json
import time
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

Row = dict[str, Any]
Connection = psycopg.Connection[Any]


def call(connection: Connection, account: str, name: str, **given: object) -> list[Row]:
    """Call a function as an account, in a transaction of its own; return its rows."""
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(key), sql.Placeholder(key)) for key in given
    )
    query = sql.SQL("select * from api.{}({})").format(sql.Identifier(name), named)
    claims = json.dumps({"sub": account})
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set local role app_user")
        cursor.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        return cursor.execute(query, given).fetchall()


def call_again(conninfo: str, account: str, name: str, **given: object) -> list[Row]:
    """Call a function that may be called twice, until it is through; four times at most."""
    for pause in (0.05, 0.2, 1.0, None):
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                return call(connection, account, name, **given)
        except psycopg.Error as error:
            if pause is None or not may_pass(error):
                raise
            time.sleep(pause)
    raise AssertionError


def may_pass(error: psycopg.Error) -> bool:
    """Whether the same call may get through again: the server or the network gave up, not it."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    passing = {"40001", "40P01", "53300", "57P01", "57P02", "57P03"}
    return error.sqlstate.startswith("08") or error.sqlstate in passing
