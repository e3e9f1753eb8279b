"""Shape tokens: who may follow which shape, whole, for a few minutes."""

from dataclasses import dataclass
from uuid import UUID

from gatekeeper.shapes import Definition


@dataclass(frozen=True, slots=True)
class Claim:
    """What was decided: an account may follow a shape until expires_at. Seconds of the epoch.

    issued_at: before Postgres was asked, so that whatever was revoked since is known to be later.
    """

    account_id: UUID
    login_session_id: UUID | None
    owner_account_id: UUID | None
    shape: str
    session_id: str | None
    definition: Definition
    issued_at: float
    expires_at: float
