"""Smoke."""

from harness.connections import Connection


def test_one_account(connection: Connection) -> None:
    assert connection.execute("select name from app.accounts").fetchall() == [("default",)]
