"""How small session logs become, how quickly, and how quickly they come back from the database.

The logs are given by a folder and only measured. Every method takes its turn in every run, and who
is first changes from run to run.
"""

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import LiteralString, TypeVar
from uuid import UUID

from bench.databases import environment_of, open_databases, open_place
from harness.chunks import CHUNK_BYTES, LEVEL, zstd
from harness.connections import Connection, Server, connect
from harness.console import Tell
from harness.errors import ExitCode, SessionbaseError
from harness.migrations.runner import Migrator
from harness.settings import Settings
from harness.uploads import About, read_upload, store_upload

Pack = Callable[[bytes], bytes]
T = TypeVar("T")

SIZES = (64 << 10, 256 << 10, 1 << 20, 4 << 20)
GOAL = 5.0
CHOSEN = f"zstd {LEVEL}"
_LOGS = {".jsonl", ".ndjson", ".json"}
_ACCOUNT = UUID("00000000-0000-4000-8000-000000000001")


@dataclass(frozen=True)
class UploadsOrder:
    """What to measure: the logs below a folder, so many times."""

    data: Path | None
    runs: int

    def check(self) -> None:
        """Raise SessionbaseError (REFUSED) if it can't be measured."""
        if self.data is None:
            raise SessionbaseError(
                ExitCode.REFUSED,
                "bench uploads needs session logs to measure",
                hint="--data DIR names a folder of them, such as ~/.codex/sessions.",
            )
        if self.runs < 1:
            raise SessionbaseError(ExitCode.REFUSED, "--runs must be 1 or more")


@dataclass(frozen=True)
class Method:
    """A way to compress a chunk, and to open it again."""

    title: str
    pack: Pack
    unpack: Pack


@dataclass
class Packing:
    """What a method made of all chunks of a size: bytes, and MB/s of what they hold, run by run."""

    method: str
    chunk_bytes: int
    ratio: float = 0
    pack_rates: list[float] = field(default_factory=list)
    unpack_rates: list[float] = field(default_factory=list)


@dataclass
class Keeping:
    """What a way to keep all logs in Postgres takes, and MB/s of what they hold, run by run."""

    title: str
    ratio: float = 0
    write_rates: list[float] = field(default_factory=list)
    read_rates: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class UploadsReport:
    """All that was measured, and where. sizes: of the logs, in bytes."""

    order: UploadsOrder
    environment: dict[str, str]
    sizes: list[int]
    file_ratios: list[float]
    packings: list[Packing]
    keepings: list[Keeping]
    missing: list[str]


def bench_uploads(settings: Settings, order: UploadsOrder, tell: Tell) -> UploadsReport:
    """Measure on a server of its own, or that of DATABASE_URL."""
    order.check()
    with open_place(settings) as place:
        return measure(place.server, settings, order, tell)


def measure(server: Server, settings: Settings, order: UploadsOrder, tell: Tell) -> UploadsReport:
    """Measure on a server, in databases that are gone afterwards."""
    logs = read_logs(order)
    methods, missing = find_methods()
    packings = pack_all(logs, methods, order.runs, tell)
    with open_databases(server) as databases:
        databases.make_template("uploads", None, Migrator(settings).apply)
        tables = [title for title in _TABLES if "lz4" not in title or _has_lz4(server)]
        missing += ["lz4 in Postgres"] if len(tables) < len(_TABLES) else []
        keepings = [Keeping(title) for title in (*tables, *_FUNCTIONS)]
        for run in range(order.runs):
            tell(f"run {run + 1} of {order.runs}: Postgres")
            with databases.clone("uploads") as database, connect(database, "bench") as connection:
                _keep_in_tables(connection, logs, keepings, run)
                _keep_by_functions(connection, logs, keepings)
    pack = _zstd(LEVEL).pack
    ratios = [len(log) / sum(map(len, map(pack, cut([log], CHUNK_BYTES)))) for log in logs]
    sizes = [len(log) for log in logs]
    return UploadsReport(order, environment_of(server), sizes, ratios, packings, keepings, missing)


def read_logs(order: UploadsOrder) -> list[bytes]:
    """Read all logs below the folder. Raises SessionbaseError (NO_DATA_FOLDER) if there is none."""
    order.check()
    folder = order.data or Path()
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _LOGS and path.is_file())
    logs = [content for path in paths if (content := path.read_bytes())]
    if not logs:
        raise SessionbaseError(
            ExitCode.NO_DATA_FOLDER,
            f"{folder} holds no session logs",
            hint=f"They end in {', '.join(sorted(_LOGS))}.",
        )
    return logs


def find_methods() -> tuple[list[Method], list[str]]:
    """Return the methods, and the names of those whose libraries are not installed."""
    methods = [
        *(_gzip(level) for level in (1, 6, 9)),
        *(_zstd(level) for level in sorted({1, 3, LEVEL, 9, 12})),
    ]
    missing = []
    for name, make in (("lz4.frame", _lz4), ("brotli", _brotli)):
        try:
            methods.append(make(import_module(name)))
        except ModuleNotFoundError:
            missing.append(name.partition(".")[0])
    return methods, missing


def _gzip(level: int) -> Method:
    return Method(f"gzip {level}", lambda chunk: gzip.compress(chunk, level), gzip.decompress)


def _zstd(level: int) -> Method:
    return Method(f"zstd {level}", lambda chunk: zstd.compress(chunk, level), zstd.decompress)


def _lz4(library: object) -> Method:
    return Method("lz4", getattr(library, "compress"), getattr(library, "decompress"))  # noqa: B009


def _brotli(library: object) -> Method:
    compress: Callable[..., bytes] = getattr(library, "compress")  # noqa: B009
    return Method(
        "brotli 5",
        lambda chunk: compress(chunk, quality=5),
        getattr(library, "decompress"),  # noqa: B009
    )


def cut(logs: Sequence[bytes], size: int) -> list[bytes]:
    """Cut every log into chunks of a size."""
    return [log[at : at + size] for log in logs for at in range(0, len(log), size)]


def pack_all(logs: list[bytes], methods: list[Method], runs: int, tell: Tell) -> list[Packing]:
    """Measure every method on chunks of every size."""
    held = sum(map(len, logs))
    packings = {(m.title, size): Packing(m.title, size) for size in SIZES for m in methods}
    for run in range(runs):
        tell(f"run {run + 1} of {runs}: compressing")
        for size in SIZES:
            chunks = cut(logs, size)
            for method in _turned(methods, run):
                packed, seconds = _timed(method.pack, chunks)
                line = packings[method.title, size]
                line.ratio = held / sum(map(len, packed))
                line.pack_rates.append(held / 1e6 / seconds)
                opened, seconds = _timed(method.unpack, packed)
                line.unpack_rates.append(held / 1e6 / seconds)
                _check(opened == chunks, method.title)
    return list(packings.values())


def _timed(work: Pack, chunks: list[bytes]) -> tuple[list[bytes], float]:
    # Of the processor, so that what else the machine does hits nobody.
    began = process_time()
    done = [work(chunk) for chunk in chunks]
    return done, max(process_time() - began, 1e-9)


def _turned(things: Sequence[T], run: int) -> Iterator[T]:
    first = run % len(things)
    yield from (*things[first:], *things[:first])


def _check(is_right: bool, title: str) -> None:
    if not is_right:
        raise SessionbaseError(ExitCode.FAILED, f"{title} gives back something else")


def _as_it_is(chunk: bytes) -> bytes:
    return chunk


_EXTERNAL: LiteralString = "alter table kept alter column chunk set storage external"
_PGLZ: LiteralString = "alter table kept alter column chunk set compression pglz"
_LZ4: LiteralString = "alter table kept alter column chunk set compression lz4"
_TABLES = {
    f"{CHOSEN}, storage external": (_zstd(LEVEL), _EXTERNAL),
    f"{CHOSEN}, TOAST pglz": (_zstd(LEVEL), _PGLZ),
    f"{CHOSEN}, TOAST lz4": (_zstd(LEVEL), _LZ4),
    "as it is, storage external": (Method("", _as_it_is, _as_it_is), _EXTERNAL),
    "as it is, TOAST pglz": (Method("", _as_it_is, _as_it_is), _PGLZ),
    "as it is, TOAST lz4": (Method("", _as_it_is, _as_it_is), _LZ4),
}
"""Bare tables, a chunk a row: what is done to a chunk, and to the table before."""

_FUNCTIONS = ("functions of schema api", "functions, the same uploads again")


def _has_lz4(server: Server) -> bool:
    with connect(server, "bench") as connection:
        known = "select enumvals from pg_settings where name = 'default_toast_compression'"
        ((methods,),) = connection.execute(known).fetchall()
    return "lz4" in methods


def _keep_in_tables(
    connection: Connection, logs: list[bytes], keepings: list[Keeping], run: int
) -> None:
    chunks = cut(logs, CHUNK_BYTES)
    held = sum(map(len, chunks))
    for line in _turned([one for one in keepings if one.title in _TABLES], run):
        method, storage = _TABLES[line.title]
        connection.execute("drop table if exists kept")
        connection.execute("create table kept (place integer primary key, chunk bytea not null)")
        connection.execute(storage)
        connection.execute("checkpoint")
        began = perf_counter()
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(
                "insert into kept values (%s, %b)",
                ((place, method.pack(chunk)) for place, chunk in enumerate(chunks)),
            )
        line.write_rates.append(held / 1e6 / (perf_counter() - began))
        ((taken,),) = connection.execute("select pg_total_relation_size('kept')").fetchall()
        line.ratio = held / taken
        began = perf_counter()
        with connection.cursor(binary=True) as cursor:
            rows = cursor.stream("select chunk from kept order by place")
            size = sum(len(method.unpack(chunk)) for (chunk,) in rows)
        line.read_rates.append(held / 1e6 / (perf_counter() - began))
        _check(size == held, line.title)


def _keep_by_functions(connection: Connection, logs: list[bytes], keepings: list[Keeping]) -> None:
    held = sum(map(len, logs))
    first, again = (next(one for one in keepings if one.title == title) for title in _FUNCTIONS)
    for line in (first, again):
        connection.execute("checkpoint")
        began = perf_counter()
        stored = [store_upload(connection, _ACCOUNT, io.BytesIO(log), About("log")) for log in logs]
        line.write_rates.append(held / 1e6 / (perf_counter() - began))
        began = perf_counter()
        size = sum(
            len(piece)
            for one in stored
            for piece in read_upload(connection, _ACCOUNT, one.upload["id"])
        )
        line.read_rates.append(held / 1e6 / (perf_counter() - began))
        _check(size == held, line.title)
        ((taken,),) = connection.execute(
            "select sum(pg_total_relation_size(name::regclass)) from unnest(%s::text[]) as name",
            [["app.upload_chunks", "app.upload_contents", "app.upload_content_chunks"]],
        ).fetchall()
        line.ratio = held / int(taken)
