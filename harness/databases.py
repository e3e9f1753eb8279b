"""Makes and drops databases of a server, for tests and measurements."""

from psycopg import sql

from harness.connections import Server, connect


def create_database(
    server: Server, name: str, template: str, purpose: str, *, by_files: bool = False
) -> Server:
    """Create a database as a copy of another one, and return it.

    by_files: copy file by file and not through the WAL, where a large template would push
    checkpoints about. Raises what connect() raises.
    """
    statement = sql.SQL("create database {} template {} encoding 'UTF8' strategy {}").format(
        sql.Identifier(name),
        sql.Identifier(template),
        sql.SQL("file_copy" if by_files else "wal_log"),
    )
    with connect(server, purpose) as connection:
        connection.execute(statement)
    return server.with_database(name)


def drop_database(server: Server, name: str, purpose: str) -> None:
    """Drop a database, whoever is connected to it. Raises what connect() raises."""
    with connect(server, purpose) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )
