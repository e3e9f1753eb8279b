"""Postgres: as app_server, which knows who is signed in, and as a principal, who owns rows."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from gatekeeper.errors import Refusal, refusal_of, unavailable
from harness.connections import Server, first_line
from harness.errors import ExitCode, SessionbaseError

if TYPE_CHECKING:
    from gatekeeper.principals import Principal

Connection = AsyncConnection[tuple[Any, ...]]
"""A connection whose rows are tuples."""

_WAIT_SECONDS = 5.0
_ACT = "select set_config('role', 'app_user', true), set_config('request.jwt.claims', %s, true)"
_LOGIN = "select current_user = 'app_server'"


class Database:
    """A pool of connections, each of which is app_server until it acts as somebody."""

    def __init__(self, server: Server, connections: int) -> None:
        self._server = server
        self._questions: list[Question] = []
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            server.conninfo,
            kwargs={"autocommit": True, "application_name": "sessionbase gatekeeper"},
            min_size=min(2, connections),
            max_size=connections,
            timeout=_WAIT_SECONDS,
            configure=_become_app_server,
            open=False,
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Be connected, or try to be until it works."""
        await self._pool.open()
        try:
            yield
        finally:
            for question in self._questions:
                await question.close()
            await self._pool.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Connection]:
        """Give a connection as app_server, for the functions of schema auth; autocommit.

        Raises Refusal for what Postgres says no to, or if it can't be reached.
        """
        with_refusals = _Refusing()
        with with_refusals:
            async with self._pool.connection() as connection:
                yield connection

    @asynccontextmanager
    async def acting(self, principal: "Principal") -> AsyncIterator[Connection]:
        """Give a connection as app_user with the principal's claim, for one transaction.

        Raises Refusal for what Postgres says no to, or if it can't be reached.
        """
        async with self.serving() as connection, connection.transaction():
            await connection.execute(_ACT, [json.dumps({"sub": str(principal.account_id)})])
            yield connection

    def question(self, statement: str) -> "Question":
        """Return a question that is asked as app_server, as long as this is open."""
        question = Question(lambda: self._alone("asks"), statement)
        self._questions.append(question)
        return question

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Connection]:
        """Give a connection of its own, as app_server, to listen on.

        Raises psycopg's errors as they are.
        """
        async with await self._alone("listens") as connection:
            yield connection

    async def _alone(self, what: str) -> Connection:
        """Connect, for what it says. Raises psycopg's errors as they are."""
        connection = await Connection.connect(
            self._server.conninfo,
            autocommit=True,
            application_name=f"sessionbase gatekeeper {what}",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=2,
        )
        try:
            await _become_app_server(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def find_account(self, issuer: str, subject: str) -> UUID | None:
        """Return the active account of an identity, if it has one. Raises Refusal (503)."""
        async with self.serving() as connection:
            cursor = await connection.execute("select auth.find_account(%s, %s)", [issuer, subject])
            row = await cursor.fetchone()
        return row[0] if row else None

    async def answers(self) -> bool:
        """Say whether Postgres can be asked just now."""
        try:
            async with self.serving() as connection:
                await connection.execute("select 1")
        except Refusal:
            return False
        return True

    async def check(self) -> None:
        """Connect once, for a pool tells nobody why it can't.

        Raises SessionbaseError: UNREACHABLE, NO_PERMISSION.
        """
        try:
            async with await Connection.connect(
                self._server.conninfo, autocommit=True
            ) as connection:
                await _become_app_server(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise SessionbaseError(
                ExitCode.NO_PERMISSION,
                f"the login of {self._server.label} may not be app_server",
                hint="Log in as app_server, or: grant app_server to that login.",
            ) from None
        except psycopg.OperationalError as error:
            raise SessionbaseError(
                ExitCode.UNREACHABLE, f"can't connect to {self._server.label}: {first_line(error)}"
            ) from None


class Question:
    """A statement that is asked so often that it has a connection of its own, and is kept prepared.

    What the pool does for each use of a connection takes longer than such a statement itself.
    One asks at a time.
    """

    def __init__(self, connect: Callable[[], Awaitable[Connection]], statement: str) -> None:
        self._connect = connect
        self._statement = statement
        self._cursor: AsyncCursor[tuple[Any, ...]] | None = None
        self._is_closed = False

    async def ask(self, *arguments: object) -> list[tuple[Any, ...]]:
        """Return the rows. Raises Refusal for what Postgres says no to, or if it is not there."""
        if self._is_closed:
            raise unavailable()
        with _Refusing():
            if self._cursor:
                # What was kept may have broken since: then it is asked on another.
                with suppress(psycopg.OperationalError):
                    return await self._ask(self._cursor, arguments)
                await self._disconnect()
            try:
                async with asyncio.timeout(_WAIT_SECONDS):
                    connection = await self._connect()
            except TimeoutError:
                raise unavailable() from None
            self._cursor = connection.cursor()
            if self._is_closed:
                await self._disconnect()
                raise unavailable()
            return await self._ask(self._cursor, arguments)

    async def close(self) -> None:
        """Ask no more."""
        self._is_closed = True
        await self._disconnect()

    async def _disconnect(self) -> None:
        if self._cursor:
            cursor, self._cursor = self._cursor, None
            await cursor.connection.close()

    async def _ask(
        self, cursor: AsyncCursor[tuple[Any, ...]], arguments: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        await cursor.execute(self._statement, arguments, prepare=True)
        return await cursor.fetchall()


class _Refusing:
    """Turn what Postgres says into a refusal where it is one."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, psycopg.Error | PoolTimeout):
            refusal = refusal_of(error)
            if refusal:
                raise refusal from None


async def _become_app_server(connection: Connection) -> None:
    row = await (await connection.execute(_LOGIN)).fetchone()
    if row != (True,):
        await connection.execute("set role app_server")
