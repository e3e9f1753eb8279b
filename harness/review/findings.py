"""What a review finds: where the database is not as intended."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, order=True)
class Finding:
    """One difference between the database and its intent.

    code: what kind it is, one word with hyphens. object: what it is about, as app.todos.
    role: whose right it is, "" where it is nobody's. found, wanted: in words, what is and what
    should be.
    """

    code: str
    object: str
    role: str
    found: str
    wanted: str

    def facts(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)
