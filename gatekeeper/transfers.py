"""Uploads and downloads under way: how many there may be, and when they are cut off."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from gatekeeper.allowing import while_allowed
from gatekeeper.errors import Refusal
from gatekeeper.logs import LOG
from gatekeeper.parts import Parts

PATIENCE_S = 60.0
"""How long a client may send or take no byte at all."""


@dataclass(frozen=True)
class Transfer:
    """A content under way, and all by which it may be revoked. Seconds of the epoch.

    It is of no session: whoever is a member of one never has the bytes of its uploads.
    """

    account_id: UUID
    login_session_id: UUID | None
    owner_account_id: UUID
    issued_at: float
    expires_at: float
    session_id: None = None


class Download(StreamingResponse):
    """Gives pieces for as long as the client may have them, and cuts the connection then.

    Raises Refusal as long as nothing was sent: 401, 429, 503, and what the pieces raise.
    """

    def __init__(
        self,
        parts: Parts,
        transfer: Transfer,
        pieces: AsyncGenerator[bytes],
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(pieces, status, headers)
        self._parts = parts
        self._transfer = transfer
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        has_begun = False

        async def patient(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            async with asyncio.timeout(PATIENCE_S):
                await send(message)

        transfer = self._transfer
        with self._parts.limits.transfer(transfer.account_id):
            try:
                async with (
                    aclosing(self._pieces) as pieces,
                    while_allowed(self._parts.revocations, transfer),
                ):
                    # Before the head goes out, so that what is wrong at once has its own status.
                    first = await anext(pieces, b"")
                    self.body_iterator = _joined(first, pieces)
                    await super().__call__(scope, receive, patient)
            except (Refusal, TimeoutError) as error:
                if not has_begun:
                    raise
                # Without an end, so that nobody takes it for whole.
                reason = error.code if isinstance(error, Refusal) else "too_slow"
                LOG.warning("download_cut_off", reason=reason)


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for piece in rest:
        yield piece
