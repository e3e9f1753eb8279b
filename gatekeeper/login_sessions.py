"""Login sessions. A stub: nobody has one."""

from gatekeeper.database import Database
from gatekeeper.errors import not_signed_in
from gatekeeper.principals import Principal
from gatekeeper.settings import GatekeeperSettings


class LoginSessions:
    """Finds out whose login session a secret is."""

    def __init__(self, database: Database, settings: GatekeeperSettings) -> None:
        self._database = database
        self._settings = settings

    async def principal_of(self, secret: str) -> Principal:
        """Return who holds the secret. Raises Refusal (401)."""
        del secret
        raise not_signed_in()
