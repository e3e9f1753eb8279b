"""Which table's rows belong to which: a tree of tables, drawn from the foreign keys."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import LiteralString

from harness.connections import SCHEMAS, Connection

_FOREIGN_KEYS: LiteralString = """
select
    format('%%s.%%s', space.nspname, class.relname),
    format('%%s.%%s', target_space.nspname, target.relname)
from pg_constraint as con
join pg_class as class on class.oid = con.conrelid
join pg_namespace as space on space.oid = class.relnamespace
join pg_class as target on target.oid = con.confrelid
join pg_namespace as target_space on target_space.oid = target.relnamespace
where con.contype = 'f' and space.nspname = any (%(schemas)s)
group by 1, 2
order by 1, 2
"""


@dataclass(frozen=True, order=True)
class ForeignKey:
    """A table whose rows point to rows of another."""

    table: str
    target: str


@dataclass(frozen=True)
class Branch:
    """A table in the tree.

    depth: how far from the trunk. parent: place of its parent in the list, None for a trunk.
    guides: for each step down to it, whether the branch there goes on below. also: what else its
    rows point to.
    """

    table: str
    depth: int
    parent: int | None
    guides: tuple[bool, ...]
    also: tuple[str, ...]

    @property
    def twig(self) -> str:
        """Return the lines that lead to it, as text."""
        if not self.guides:
            return ""
        over = "".join("│   " if goes_on else "    " for goes_on in self.guides[:-1])
        return over + ("├── " if self.guides[-1] else "└── ")


def read_foreign_keys(connection: Connection) -> tuple[ForeignKey, ...]:
    """Read from the catalog which table points to which. Any login may."""
    found = connection.execute(_FOREIGN_KEYS, {"schemas": list(SCHEMAS)}).fetchall()
    return tuple(ForeignKey(*row) for row in found)


def ownership(tables: Iterable[str], keys: Iterable[ForeignKey]) -> list[Branch]:
    """Put each table under the one it is furthest from the trunk with; all sorted by name.

    A message belongs to its thread before it belongs to the session of that.
    """
    names = set(tables)
    targets = {
        name: sorted({key.target for key in keys if key.table == name} & names - {name})
        for name in names
    }
    parents = {name: _parent(name, targets) for name in names}
    children: dict[str | None, list[str]] = defaultdict(list)
    for name in sorted(names):
        children[parents[name]].append(name)
    # What nothing hangs on comes last: it would tear the tree apart.
    children[None].sort(key=lambda name: (not children.get(name), name))
    branches: list[Branch] = []
    for root in children[None]:
        _grow(branches, _Place(root, None, ()), children, targets)
    return branches


@dataclass(frozen=True)
class _Place:
    table: str
    parent: int | None
    guides: tuple[bool, ...]


def _grow(
    branches: list[Branch],
    place: _Place,
    children: Mapping[str | None, list[str]],
    targets: Mapping[str, list[str]],
) -> None:
    here = len(branches)
    above = branches[place.parent].table if place.parent is not None else None
    also = tuple(target for target in targets[place.table] if target != above)
    branches.append(Branch(place.table, len(place.guides), place.parent, place.guides, also))
    below = children.get(place.table, [])
    for child in below:
        goes_on = child != below[-1]
        _grow(branches, _Place(child, here, (*place.guides, goes_on)), children, targets)


def _parent(name: str, targets: Mapping[str, list[str]]) -> str | None:
    """Return the target that is deepest. In a ring the table that is met again has no parent."""
    choices = [target for target in targets[name] if name not in _above(target, targets)]
    return max(choices, key=lambda target: (_depth(target, targets), target), default=None)


def _depth(name: str, targets: Mapping[str, list[str]]) -> int:
    """Return how many tables are above, by any way."""
    return len(set(_above(name, targets)))


def _above(name: str, targets: Mapping[str, list[str]]) -> Iterator[str]:
    seen: set[str] = set()
    waiting = list(targets[name])
    while waiting:
        target = waiting.pop()
        if target not in seen:
            seen.add(target)
            yield target
            waiting += targets[target]
