"""Acting as an account: what an application does around each call of a function of schema api."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import psycopg

from harness.connections import Connection
from harness.errors import ExitCode, SessionbaseError

_CODES = {
    "SB001": ExitCode.NO_ACCOUNT,
    "28000": ExitCode.NO_ACCOUNT,
    "SB404": ExitCode.NOT_THERE,
    "SB409": ExitCode.REFUSED,
    "SB422": ExitCode.REFUSED,
    "SB503": ExitCode.UNDER_MAINTENANCE,
    "22023": ExitCode.REFUSED,
    "42501": ExitCode.NO_PERMISSION,
}
"""What functions raise on purpose. Their messages are for people, and hold nothing of a row."""


@contextmanager
def acting_as(connection: Connection, account_id: UUID) -> Iterator[None]:
    """Be an account for one transaction: app_user, with the claim that names the account.

    Raises SessionbaseError for what a function says no to: NO_ACCOUNT, NOT_THERE, REFUSED,
    NO_PERMISSION, UNDER_MAINTENANCE. Nothing of the transaction is kept then.
    """
    with in_words(), connection.transaction():
        connection.execute("set local role app_user")
        connection.execute(
            "select set_config('request.jwt.claims', %s, true)",
            [json.dumps({"sub": str(account_id)})],
        )
        yield


@contextmanager
def in_words() -> Iterator[None]:
    """Turn what functions of schema api raise into errors for a person."""
    try:
        yield
    except psycopg.Error as error:
        code = _CODES.get(error.sqlstate or "")
        if code is None or error.diag.message_primary is None:
            raise
        raise SessionbaseError(
            code, error.diag.message_primary, hint=error.diag.message_hint or ""
        ) from None


def find_account(connection: Connection, account: str | None) -> UUID:
    """Return the account of a name or id; without one, the only active account.

    An id is taken as it is; for a name the login must be a member of importer, which may look
    names up. Raises SessionbaseError (NO_ACCOUNT, NO_PERMISSION).
    """
    if account:
        try:
            return UUID(account)
        except ValueError:
            pass
    with in_words(), connection.transaction():
        connection.execute("set local role importer")
        ((found,),) = connection.execute("select legacy.find_account(%s)", [account]).fetchall()
    return UUID(str(found))
