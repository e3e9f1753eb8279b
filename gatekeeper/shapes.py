"""Shapes: what a client may follow, as Postgres defines it for who asks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Definition:
    """A shape, whole: what Electric is asked, but for where a client is in it.

    table: the one canonical spelling, schema.table.
    """

    table: str
    where: str
    params: tuple[str, ...]
    columns: tuple[str, ...]
    replica: str = "default"
    log: str = "full"
