"""Folders that are there whole, or not at all, whoever makes them at the same time."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Give the path of a folder to make and to fill; at the end it becomes the one named.

    It is beside that, so that renaming it does; what is left of one that was not finished goes.
    Whoever finished the same first wins, and then what went wrong with this one does not matter,
    if it is an OSError; else it is raised.
    """
    unfinished = folder.with_name(f"unfinished-{os.getpid()}-{folder.name}")
    try:
        yield unfinished
        unfinished.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
