"""Reads the three files from end to end: counts, faults, and a sample of their records to try."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from harness.console import Tell
from harness.legacy.importer import find_files
from harness.legacy.reader import Element, RecordFile
from harness.legacy.results import FILE_FAULTS
from harness.legacy.steps import FILES

_SAMPLE_BYTES = {"threads": 8 << 20, "messages": 24 << 20, "tool_events": 8 << 20}
"""How much of each file is tried: enough to measure by, and little enough to wait for."""


@dataclass(frozen=True)
class Surveyed:
    """A file as it is. missing: there is none, which is an empty store. faults: in words.

    damaged: how many pieces of it are no whole records. sampled, sampled_bytes: how much of it is
    in the sample.
    """

    file: str
    missing: bool = False
    size_bytes: int = 0
    records: int = 0
    damaged: int = 0
    faults: tuple[str, ...] = ()
    sampled: int = 0
    sampled_bytes: int = 0

    def facts(self) -> dict[str, Any]:
        """Return the same as plain data, for JSON."""
        return asdict(self)


def survey(data: Path, sample: Path, tell: Tell) -> list[Surveyed]:
    """Read all files of a folder, and write their first records to another folder.

    Raises SessionbaseError: NO_DATA_FOLDER; NOT_AN_ARRAY. OSError.
    """
    sample.mkdir(mode=0o700)
    return [
        _survey(kind, path, sample, tell) if path else Surveyed(FILES[kind], missing=True)
        for kind, path in find_files(data).items()
    ]


def _survey(kind: str, path: Path, sample: Path, tell: Tell) -> Surveyed:
    file = RecordFile(path)
    with ExitStack() as stack:
        tried = _Sample(stack.enter_context((sample / path.name).open("wb")), _SAMPLE_BYTES[kind])
        damaged = sum(_look(element, tried) for element in _told(file, tell))
        tried.end()
    return Surveyed(
        path.name,
        size_bytes=file.size_bytes,
        records=file.count,
        damaged=damaged,
        faults=tuple(FILE_FAULTS[fault.code] for fault in file.faults),
        sampled=tried.count,
        sampled_bytes=tried.size,
    )


def _told(file: RecordFile, tell: Tell) -> Iterator[Element]:
    for batch in file.batches():
        tell(f"reading {file.path.name}: {batch.end >> 20:,} MiB")
        yield from batch.elements


def _look(element: Element, sample: "_Sample") -> bool:
    """Put an element into the sample, and say whether it is damaged."""
    if element.raw is not None and element.fault is None:
        sample.add(element.raw)
    return element.fault is not None


class _Sample:
    """The first records of a file, as a file."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream = stream
        self._most = most
        self._is_full = False
        self.count = 0
        self.size = 0

    def add(self, raw: bytes) -> None:
        """Take a record, if there is room."""
        self._is_full = self._is_full or self.size + len(raw) > self._most
        if not self._is_full:
            self._stream.write((b",\n" if self.count else b"[\n") + raw)
            self.count += 1
            self.size += len(raw)

    def end(self) -> None:
        """End the array."""
        self._stream.write(b"\n]" if self.count else b"[]")
