"""Compares web servers, and HTTP clients, for what a gatekeeper does: hold, stream, answer.

python -m bench.stacks          python3 -m pip install -e '.[bench,test]' first
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from socket import socket
from time import perf_counter, sleep
from typing import Any
from urllib.request import urlopen

import aiohttp
import httpx
import psutil
import uvloop

from bench.stack_application import STREAM_BYTES
from harness import console

_APP = "bench.stack_application:application"
_SERVERS = {
    "uvicorn, h11, asyncio": ["uvicorn", "--http", "h11", "--loop", "asyncio"],
    "uvicorn, httptools, uvloop": ["uvicorn", "--http", "httptools", "--loop", "uvloop"],
    "hypercorn, uvloop": ["hypercorn", "--worker-class", "uvloop", "--backlog", "4096"],
    "granian, uvloop": ["granian", "--interface", "asgi", "--loop", "uvloop", "--backlog", "8192"],
}
_HELD = 1500
_HELD_BY_CLIENT = 1000
_TOGETHER = 32
_SECONDS = 3.0
_KILOBYTE = 1024
_MEGABYTE = 1e6


def main() -> None:
    """Print both tables."""
    console.show_table(
        "Servers",
        ("server", "answers/s", "stream MB/s", "KB a held answer", "all came in s", "lost"),
        [(name, *_told(name, measure_server(name))) for name in _SERVERS],
    )
    console.show_table(
        "Clients, of uvicorn",
        ("client", "answers/s", "stream MB/s", "KB a held answer"),
        [(name, *_told(name, measure_client(name))) for name in _CLIENTS],
    )


def measure_server(name: str) -> tuple[int, int, float, float, int]:
    """Return answers/s, MB/s of a stream, KB a held answer, s until all came, how many did not."""
    with _serving(name) as (port, process):
        rate = uvloop.run(_answers(port))
        speed = uvloop.run(_streamed(port))
        before = _memory(process)
        memory, let_go, lost = uvloop.run(_hold(port, process))
        held = round((memory - before) / _HELD, 1)
        return round(rate), round(speed), held, round(let_go, 2), lost


def measure_client(name: str) -> tuple[int, int, float]:
    """Return answers/s, MB/s of a stream, KB a held answer, measured in a process of its own."""
    with _serving("uvicorn, httptools, uvloop") as (port, _):
        command = [sys.executable, "-m", "bench.stacks", name, str(port)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, speed, memory = printed.split()
    return int(rate), int(speed), float(memory)


def _told(name: str, figures: tuple[float, ...]) -> tuple[float, ...]:
    """Say what was measured as soon as it is, for the whole takes minutes."""
    console.note(f"{name}: {figures}")
    return figures


@contextmanager
def _serving(name: str) -> Iterator[tuple[int, psutil.Process]]:
    """Run a server, alone in its process where it can be. Gives its port and the process."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program, *options = _SERVERS[name]
    where = (
        ["--bind", f"127.0.0.1:{port}"]
        if program == "hypercorn"
        else ["--host", "127.0.0.1", "--port", str(port)]
    )
    quiet = {"uvicorn": ["--no-access-log"], "granian": ["--no-access-log", "--no-ws"]}
    command = [
        str(Path(sys.executable).parent / program),
        *options,
        *where,
        *quiet.get(program, []),
        _APP,
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )
    try:
        _wait(f"http://127.0.0.1:{port}/small")
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str) -> None:
    for _ in range(200):
        with suppress(OSError), urlopen(url, timeout=5) as answer:  # noqa: S310 - it is our own
            answer.read()
            return
        sleep(0.1)
    raise AssertionError(f"nobody answers at {url}")


def _memory(process: psutil.Process) -> float:
    """Return what a server and its workers have resident, in KB."""
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in family) / _KILOBYTE


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


async def _answers(port: int) -> float:
    """Ask for small answers on a few connections, for some seconds."""
    ends_at = perf_counter() + _SECONDS

    async def ask() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        done = 0
        while perf_counter() < ends_at:
            writer.write(_request("/small"))
            await _read_answer(reader)
            done += 1
        writer.close()
        return done

    return sum(await asyncio.gather(*(ask() for _ in range(_TOGETHER)))) / _SECONDS


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or 0))


async def _streamed(port: int) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    begun, seen = perf_counter(), 0
    writer.write(_request("/stream"))
    while seen < STREAM_BYTES:
        seen += len(await reader.read(1 << 20))
    seconds = perf_counter() - begun
    writer.close()
    return STREAM_BYTES / _MEGABYTE / seconds


async def _hold(port: int, process: psutil.Process) -> tuple[float, float, int]:
    """Have answers held. Returns the server's memory then, how fast all came, how many did not."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(_HELD)]
    for _, writer in opened:
        writer.write(_request("/held"))
    await asyncio.sleep(3)
    memory, begun = _memory(process), perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request("/let-go"))
    await _read_answer(reader)
    told = [_read_answer(reader) for reader, _ in opened]
    given = await asyncio.gather(*told, return_exceptions=True)
    seconds = perf_counter() - begun
    for _, writer in opened:
        writer.close()
    return memory, seconds, sum(isinstance(each, Exception) for each in given)


Get = Callable[[str], Coroutine[Any, Any, int]]


@asynccontextmanager
async def _aiohttp() -> AsyncIterator[Get]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def get(url: str) -> int:
            seen = 0
            async with session.get(url) as answer:
                async for piece in answer.content.iter_any():
                    seen += len(piece)
            return seen

        yield get


@asynccontextmanager
async def _httpx() -> AsyncIterator[Get]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as session:  # noqa: S113

        async def get(url: str) -> int:
            seen = 0
            async with session.stream("GET", url) as answer:
                async for piece in answer.aiter_raw():
                    seen += len(piece)
            return seen

        yield get


_CLIENTS = {"aiohttp": _aiohttp, "httpx": _httpx}


async def _try_client(name: str, port: int) -> tuple[int, int, float]:
    base = f"http://127.0.0.1:{port}"
    async with _CLIENTS[name]() as get:
        ends_at = perf_counter() + _SECONDS

        async def ask() -> int:
            done = 0
            while perf_counter() < ends_at:
                await get(f"{base}/small")
                done += 1
            return done

        rate = sum(await asyncio.gather(*(ask() for _ in range(_TOGETHER)))) / _SECONDS
        begun = perf_counter()
        seen = await get(f"{base}/stream")
        speed = seen / _MEGABYTE / (perf_counter() - begun)
        before = _memory(psutil.Process())
        asked = [asyncio.create_task(get(f"{base}/held")) for _ in range(_HELD_BY_CLIENT)]
        await asyncio.sleep(3)
        memory = _memory(psutil.Process()) - before
        await get(f"{base}/let-go")
        await asyncio.gather(*asked)
    return round(rate), round(speed), round(memory / _HELD_BY_CLIENT, 1)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(" ".join(map(str, uvloop.run(_try_client(sys.argv[1], int(sys.argv[2]))))))
    else:
        main()
