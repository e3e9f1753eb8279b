"""Contents come back byte for byte, are sent and stored once, and what is wrong is never given."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from threading import Barrier, Thread
from uuid import UUID

import psycopg
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.acting import acting_as
from harness.connections import Connection, Server, connect
from harness.errors import ExitCode, SessionbaseError
from harness.uploads import About, Stored, put_content, read_upload, replace_content, store_upload
from tests.py.uploads.conftest import ACCOUNT, OTHER, store
from tests.py.waiting import wait_until

WAITS = """
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
"""


def read(connection: Connection, stored: Stored, account: UUID = ACCOUNT) -> bytes:
    return b"".join(read_upload(connection, account, stored.upload["id"]))


def count(connection: Connection, table: str, account: UUID = ACCOUNT) -> int:
    statement = f"select count(*) from {table} where account_id = %s"
    ((found,),) = connection.execute(statement, [account]).fetchall()
    return int(found)


def refused(call: Callable[[], object]) -> SessionbaseError:
    with pytest.raises(SessionbaseError) as caught:
        call()
    return caught.value


contents = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda piece, times: piece * times, st.binary(min_size=1, max_size=9), st.integers(1, 40)
    ),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(content=contents)
def test_any_content_comes_back_byte_for_byte(
    opened: Connection, small_chunks: int, content: bytes
) -> None:
    stored = store(opened, content)
    assert read(opened, stored) == content
    assert stored.upload["size_bytes"] == len(content)
    assert stored.upload["content_sha256"] == hashlib.sha256(content).digest()
    assert len(stored.content.chunk_sha256s) == -(-len(content) // small_chunks)
    assert read(opened, store(opened, content)) == content


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)
@given(content=st.binary(max_size=80), sizes=st.lists(st.integers(1, 13)))
@pytest.mark.usefixtures("small_chunks")
def test_chunks_do_not_depend_on_how_a_stream_gives_its_bytes(
    opened: Connection, content: bytes, sizes: list[int]
) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, sizes.pop()) if sizes else size)

    in_pieces = put_content(opened, ACCOUNT, Trickle(content))
    assert (
        in_pieces.chunk_sha256s == put_content(opened, ACCOUNT, io.BytesIO(content)).chunk_sha256s
    )


@pytest.mark.usefixtures("small_chunks")
def test_the_same_content_again_sends_nothing(opened: Connection) -> None:
    content = b"said twice, and sent once"
    first = store(opened, content)
    chunks, whole = count(opened, "app.upload_chunks"), count(opened, "app.upload_contents")
    again = store(opened, content)
    assert (first.content.sent_chunks, again.content.sent_chunks) == (5, 0)
    assert again.upload["id"] != first.upload["id"]
    assert count(opened, "app.upload_chunks") == chunks
    assert count(opened, "app.upload_contents") == whole


def test_a_log_that_grew_sends_its_tail(opened: Connection, small_chunks: int) -> None:
    before = b"lines of a log that grows, in chunks"
    stored = store(opened, before)
    grown = replace_content(
        opened,
        ACCOUNT,
        stored.upload["id"],
        io.BytesIO(before + b" now"),
        expected_row_version=1,
    )
    assert len(before) % small_chunks == 1
    assert grown.content.sent_chunks == 1, "the last chunk was not full, and is another now"
    assert grown.upload["row_version"] == 2
    assert read(opened, grown) == before + b" now"

    full = replace_content(opened, ACCOUNT, stored.upload["id"], io.BytesIO(before + b" now; on"))
    assert full.content.sent_chunks == 1, "where it was full, only what came behind it is sent"


def test_another_version_than_expected_is_refused(opened: Connection) -> None:
    stored = store(opened, b"written by two")
    replace_content(opened, ACCOUNT, stored.upload["id"], io.BytesIO(b"by the first"))
    late = refused(
        lambda: replace_content(
            opened, ACCOUNT, stored.upload["id"], io.BytesIO(b"late"), expected_row_version=1
        )
    )
    assert late.code == ExitCode.REFUSED
    assert "was changed by somebody else meanwhile" in late.what
    assert read(opened, stored) == b"by the first"


@pytest.mark.usefixtures("small_chunks")
def test_a_transfer_that_broke_goes_on_where_it_was(shared: Server, opened: Connection) -> None:
    content = bytes(range(250))

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 125:
                opened.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and application_name = 'sessionbase broken'"
                )
            return super().read(size)

    def transfer() -> None:
        with connect(shared, "broken") as connection:
            store_upload(connection, ACCOUNT, Breaking(content), About("broken"))

    before = count(opened, "app.upload_chunks")
    assert refused(transfer).code == ExitCode.UNREACHABLE
    there = count(opened, "app.upload_chunks") - before
    assert there > 0
    assert not opened.execute(
        "select from app.session_uploads where original_name = 'broken'"
    ).fetchall()

    stored = store(opened, content)
    assert 0 < stored.content.sent_chunks == 50 - there, "there are 50 different chunks"
    assert read(opened, stored) == content


def test_two_who_store_the_same_at_once_store_it_once(shared: Server, opened: Connection) -> None:
    content = b"the same, at the same time"
    barrier, stored = Barrier(4), []

    class Together(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                barrier.wait(30)
            return super().read(size)

    def run() -> None:
        with connect(shared, "test") as connection:
            stored.append(store_upload(connection, ACCOUNT, Together(content), About("together")))

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.upload["id"] for one in stored}) == 4
    assert all(read(opened, one) == content for one in stored)
    digest = hashlib.sha256(content).digest()
    chunks = opened.execute("select from app.upload_chunks where sha256 = %s", [digest])
    assert len(chunks.fetchall()) == 1


def test_who_puts_a_chunk_that_somebody_is_putting_waits_and_finds_it(shared: Server) -> None:
    put = "select stored from api.put_upload_chunk(sha256('slow'), 'identity', 4, 'slow')"
    found: list[tuple[bool]] = []

    def second() -> None:
        with connect(shared, "test") as connection, acting_as(connection, ACCOUNT):
            found.extend(connection.execute(put).fetchall())

    with connect(shared, "test") as first, connect(shared, "test") as watching:
        thread = Thread(target=second)
        with acting_as(first, ACCOUNT):
            assert first.execute(put).fetchall() == [(True,)]
            thread.start()
            wait_until(lambda: bool(watching.execute(WAITS).fetchall()))
        thread.join()
    assert found == [(False,)]


def test_what_is_being_stored_is_not_thrown_away(shared: Server, opened: Connection) -> None:
    content = b"nobody has it yet"
    stored = put_content(opened, ACCOUNT, io.BytesIO(content))
    call = "select api.store_upload('late', %(sha256)s, %(size_bytes)s, %(chunk_sha256s)s)"

    def throw_away() -> None:
        with connect(shared, "test") as connection, acting_as(connection, ACCOUNT):
            connection.execute("select api.remove_unused_upload_contents('0')")

    thread = Thread(target=throw_away)
    with connect(shared, "test") as watching:
        with acting_as(opened, ACCOUNT):
            opened.execute(call, stored.named())
            thread.start()
            wait_until(lambda: bool(watching.execute(WAITS).fetchall()))
        thread.join()
    rows = opened.execute("select id from app.session_uploads where original_name = 'late'")
    assert b"".join(read_upload(opened, ACCOUNT, rows.fetchall()[0][0])) == content


def test_what_is_being_thrown_away_is_not_stored(shared: Server, opened: Connection) -> None:
    stored = put_content(opened, ACCOUNT, io.BytesIO(b"about to go"))
    call = "select api.store_upload('gone', %(sha256)s, %(size_bytes)s, %(chunk_sha256s)s)"
    told: list[SessionbaseError] = []

    def late() -> None:
        with connect(shared, "test") as connection:

            def attempt() -> None:
                with acting_as(connection, ACCOUNT):
                    connection.execute(call, stored.named())

            told.append(refused(attempt))

    thread = Thread(target=late)
    with connect(shared, "test") as watching:
        with acting_as(opened, ACCOUNT):
            opened.execute("select api.remove_unused_upload_contents('0')")
            thread.start()
            wait_until(lambda: bool(watching.execute(WAITS).fetchall()))
        thread.join()
    assert [error.code for error in told] == [ExitCode.NOT_THERE]
    assert told[0].what == "1 of the 1 chunks are not stored"
    assert "api.list_missing_upload_chunks" in told[0].hint


def test_accounts_keep_the_same_bytes_apart(opened: Connection) -> None:
    content = b"what two accounts have"
    mine, theirs = store(opened, content), store(opened, content, OTHER)
    assert (mine.content.sent_chunks, theirs.content.sent_chunks) == (1, 1)
    assert refused(lambda: read(opened, mine, OTHER)).code == ExitCode.NOT_THERE
    with acting_as(opened, ACCOUNT):
        opened.execute("select api.remove_upload(%s)", [mine.upload["id"]])
        opened.execute("select api.remove_unused_upload_contents('0')")
    assert read(opened, theirs, OTHER) == content


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_every_encoding_is_read(opened: Connection, encoding: str) -> None:
    content = f"packed by another program as {encoding} ".encode() * 20
    packed = {"gzip": gzip.compress(content), "zstd": zstd.compress(content)}.get(encoding, content)
    with acting_as(opened, ACCOUNT):
        digest = hashlib.sha256(content).digest()
        put = "select api.put_upload_chunk(%s, %s, %s, %s)"
        opened.execute(put, [digest, encoding, len(content), packed])
    stored = store(opened, content)
    assert stored.content.sent_chunks == 0
    assert read(opened, stored) == content


@pytest.mark.usefixtures("small_chunks")
def test_a_content_that_is_replaced_while_it_is_read(opened: Connection) -> None:
    content = bytes(range(200))
    stored = store(opened, content)
    reading = read_upload(opened, ACCOUNT, stored.upload["id"])
    begun = next(reading)
    replace_content(opened, ACCOUNT, stored.upload["id"], io.BytesIO(b"another"))
    error = refused(lambda: list(reading))
    assert error.code == ExitCode.REFUSED
    assert "has another content meanwhile" in error.what
    assert content.startswith(begun)


def test_acting_ends_with_the_transaction(opened: Connection) -> None:
    with acting_as(opened, ACCOUNT):
        asked = "select current_user::text, app.current_account_id()"
        assert opened.execute(asked).fetchall() == [("app_user", ACCOUNT)]
    rows = opened.execute(
        "select current_user::text, current_setting('request.jwt.claims', true)"
    ).fetchall()
    assert rows[0][0] != "app_user"
    assert not rows[0][1]


def test_nobody_stores_without_an_account(opened: Connection) -> None:
    unknown = UUID("00000000-0000-4000-8000-0000000000ff")
    error = refused(lambda: store(opened, b"of nobody", unknown))
    assert error.code == ExitCode.NO_ACCOUNT
    assert not opened.execute(
        "select from app.upload_chunks where sha256 = sha256('of nobody')"
    ).fetchall()


def test_what_is_no_answer_of_a_function_is_passed_on(opened: Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), acting_as(opened, ACCOUNT):
        opened.execute("select 1 / 0")


def test_a_stream_ends_as_zlib_says(opened: Connection) -> None:
    # What follows a gzip member is not looked at, so a second one does not come to light.
    content = b"one member"
    packed = gzip.compress(content) + gzip.compress(b"and another")
    assert zlib.decompressobj(31).decompress(packed) == content
    with acting_as(opened, ACCOUNT):
        digest = hashlib.sha256(content).digest()
        put = "select api.put_upload_chunk(%s, 'gzip', %s, %s)"
        opened.execute(put, [digest, len(content), packed])
    assert read(opened, store(opened, content)) == content
