"""Gives the roles that log in their passwords."""

import psycopg
from psycopg import sql

from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings


def set_passwords(server: Server, settings: Settings) -> list[str]:
    """Set the passwords that the settings have, and return the roles they are of.

    Raises SessionbaseError: REFUSED if the settings have none, PENDING where a role is not there,
    NO_PERMISSION.
    """
    given = {
        "app_server": settings.app_server_password,
        "electric_read": settings.electric_read_password,
        "electric_repl": settings.electric_repl_password,
    }
    wanted = {role: secret.get_secret_value() for role, secret in given.items() if secret}
    if not wanted:
        raise SessionbaseError(
            ExitCode.REFUSED,
            "no password is set",
            hint=f"Set {', '.join(_variable(role) for role in given)}, or one of them.",
        )
    # All of them or none: a role of two that has its new password is hard to find out about.
    with connect(server, "set-passwords") as connection, connection.transaction():
        for role, password in wanted.items():
            _set_password(connection, role, password)
    return list(wanted)


def _set_password(connection: Connection, role: str, password: str) -> None:
    # As a verifier, made here: a statement that fails is in the server's log, text and all.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    statement = sql.SQL("alter role {} password {}").format(sql.Identifier(role), verifier)
    try:
        connection.execute(statement)
    except psycopg.errors.UndefinedObject:
        raise SessionbaseError(
            ExitCode.PENDING, f"there is no role {role}", hint="Run `invoke migrate` first."
        ) from None


def _variable(role: str) -> str:
    return f"SESSIONBASE_{role.upper()}_PASSWORD"
