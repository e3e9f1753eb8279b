"""What may go on only for as long as what allowed it holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time
from typing import Any, Protocol

from gatekeeper.errors import not_signed_in
from gatekeeper.revocations import Revocable, Revocations

_EVER_S = 1e8
"""Three years: a clock that counts milliseconds has an end."""


class Allowance(Revocable, Protocol):
    """What was allowed, and until when, in seconds of the epoch."""

    @property
    def expires_at(self) -> float:
        """When it ends by itself."""


@asynccontextmanager
async def while_allowed(
    revocations: Revocations, allowance: Allowance, *ends: asyncio.Future[Any]
) -> AsyncIterator[None]:
    """Cut the block off once it is revoked, runs out, or one of the ends is done.

    Raises Refusal (401) then.
    """
    loop, is_inside = asyncio.get_running_loop(), True

    def end(_: object) -> None:
        if is_inside and not deadline.expired():
            deadline.reschedule(loop.time())

    seconds = allowance.expires_at - time()
    with revocations.watch(allowance) as revoked:
        revocation = asyncio.create_task(revoked.wait())
        try:
            async with asyncio.timeout(seconds if seconds < _EVER_S else None) as deadline:
                for one in (revocation, *ends):
                    one.add_done_callback(end)
                yield
        except TimeoutError:
            if deadline.expired():
                raise not_signed_in() from None
            raise
        finally:
            is_inside = False
            for one in (revocation, *ends):
                one.remove_done_callback(end)
            revocation.cancel()
