"""The Electric that is measured, and a thread on its database to write into."""

import json
import multiprocessing
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
from psycopg.rows import dict_row

from bench.databases import open_databases, open_place
from harness.acting import acting_as
from harness.connections import Connection, Server, connect, server_of_url
from harness.embedded.electric.run import Start, run_stand_in
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

STAND_IN = "the stand-in, which is a test double"
_START_S = 60
_GO_S = 30
_ANSWER_S = 10


@dataclass(frozen=True)
class Subject:
    """An Electric, the database it follows, and a thread there.

    query: what a request for the thread's messages names, the secret among it.
    """

    name: str
    server: Server
    url: str
    account_id: UUID
    session_id: str
    thread_id: str
    query: dict[str, str] = field(repr=False)


@contextmanager
def open_subject(settings: Settings) -> Iterator[Subject]:
    """Open the Electric of ELECTRIC_URL, or the stand-in on a database of its own.

    What is written into the database of a real one is an account of its own, gone afterwards.
    Raises SessionbaseError: BAD_SETTINGS for an ELECTRIC_URL without DATABASE_URL, UNREACHABLE.
    """
    if settings.electric_url is None:
        with open_place(settings) as place, _stand_in(place.server, settings) as subject:
            yield subject
        return
    if settings.database_url is None:
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            "ELECTRIC_URL is set, and DATABASE_URL is not",
            hint="DATABASE_URL is the database that this Electric follows.",
        )
    server = server_of_url(settings.database_url.get_secret_value())
    secret = settings.electric_secret.get_secret_value() if settings.electric_secret else None
    with open_thread(server, settings.electric_url.get_secret_value(), secret) as subject:
        yield subject


@contextmanager
def _stand_in(server: Server, settings: Settings) -> Iterator[Subject]:
    with open_databases(server) as databases:
        databases.make_template("migrated", None, Migrator(settings).apply)
        with (
            databases.clone("migrated") as database,
            stand_in_beside(database) as url,
            open_thread(database, url, None) as subject,
        ):
            yield subject


@contextmanager
def stand_in_beside(server: Server) -> Iterator[str]:
    """Run a stand-in in a process of its own, as it is outside of a bench; give its address."""
    context = multiprocessing.get_context("spawn")
    told: Queue[str] = context.Queue()
    process = context.Process(target=_run, args=(server, told), daemon=True)
    process.start()
    try:
        while not (line := told.get(timeout=_START_S)).startswith("http://"):
            continue
        yield line.removesuffix("/v1/shape")
    except Empty:
        raise SessionbaseError(
            ExitCode.FAILED, f"the stand-in did not start in {_START_S} s"
        ) from None
    finally:
        process.terminate()
        process.join(_GO_S)
        told.close()


def _run(server: Server, told: "Queue[str]") -> None:
    # Settings of the environment are of another Electric.
    run_stand_in(server, Settings.model_construct(), Start(port=0), told.put)


@contextmanager
def open_thread(server: Server, url: str, secret: str | None) -> Iterator[Subject]:
    """Make an account with a session and a thread, and remove it all afterwards."""
    with connect(server, "bench") as connection:
        account_id = _make_account(connection)
        try:
            session_id, thread_id = _start_thread(connection, account_id)
            query = shape_query(connection, account_id, "thread_messages", session_id, thread_id)
            if secret:
                query["secret"] = secret
            name = _name(url, query)
            yield Subject(name, server, url, account_id, session_id, thread_id, query)
        finally:
            connection.execute("delete from app.sessions where account_id = %s", [account_id])
            connection.execute("delete from app.accounts where id = %s", [account_id])


def _make_account(connection: Connection) -> UUID:
    ((account_id,),) = connection.execute(
        "insert into app.accounts (name) values (%s) returning id",
        [f"bench sync {secrets.token_hex(8)}"],
    )
    return UUID(str(account_id))


def _start_thread(connection: Connection, account_id: UUID) -> tuple[str, str]:
    with acting_as(connection, account_id):
        ((session_id,),) = connection.execute("select id from api.open_session()")
        ((thread_id,),) = connection.execute("select id from api.start_thread(%s)", [session_id])
    return session_id, thread_id


def shape_query(
    connection: Connection,
    account_id: UUID,
    shape: str,
    session_id: str,
    thread_id: str | None = None,
) -> dict[str, str]:
    """Return the definition of a shape, for an account that may have it, as Electric is asked."""
    cursor = connection.cursor(row_factory=dict_row)
    with acting_as(connection, account_id):
        (found,) = cursor.execute(
            "select * from sync.authorize_shape(%s, %s, %s)", [shape, session_id, thread_id]
        ).fetchall()
    return {
        "table": f"{found['table_schema']}.{found['table_name']}",
        "where": found["where_clause"],
        "columns": ",".join(found["columns"]),
        **{f"params[{number}]": value for number, value in enumerate(found["params"], 1)},
    }


def _name(url: str, query: dict[str, str]) -> str:
    """Ask for the shape, and return who answers. An error names no URL, for a secret is in it."""
    try:
        answer = httpx.get(
            f"{url}/v1/shape", params=query | {"offset": "now"}, timeout=_ANSWER_S, trust_env=False
        )
    except httpx.HTTPError as error:
        raise SessionbaseError(
            ExitCode.UNREACHABLE,
            f"can't reach Electric at ELECTRIC_URL: {type(error).__name__}",
            hint="invoke doctor looks at the database's side.",
        ) from None
    if answer.status_code != httpx.codes.OK:
        raise SessionbaseError(
            ExitCode.FAILED,
            f"Electric answered {answer.status_code}: {_message(answer)}",
            hint="It must follow the database of DATABASE_URL, and ELECTRIC_SECRET be its own.",
        )
    who = answer.headers.get("electric-server", "")
    if "stand-in" in who:
        return STAND_IN
    return who.replace("ElectricSQL/", "Electric ") or "an Electric that does not say its version"


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return "no JSON"
