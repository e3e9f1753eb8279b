"""Calls of schema api: a transaction that is a principal's, with an end, and errors in words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gatekeeper.database import Connection
from gatekeeper.parts import Parts
from gatekeeper.principals import Principal
from gatekeeper.sqlstates import in_words

_SET_TIMEOUT = "select set_config('statement_timeout', %s, true)"
_READ_ONLY = ", set_config('transaction_read_only', 'on', true)"


@asynccontextmanager
async def calling(
    parts: Parts, principal: Principal, *, writes: bool = False
) -> AsyncIterator[Connection]:
    """Give a connection that is the principal, for one transaction.

    Raises Refusal for whatever Postgres says no to: ToldError where a function says it.
    """
    timeout_ms = str(1000 * parts.settings.function_timeout_s)
    with in_words():
        async with parts.database.acting(principal) as connection:
            # Here too, for acting() has words of its own.
            with in_words():
                await connection.execute(
                    _SET_TIMEOUT + ("" if writes else _READ_ONLY), [timeout_ms]
                )
                yield connection
