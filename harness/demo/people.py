"""The people of the demo, and who they are to its identity provider."""

from dataclasses import dataclass

from gatekeeper.settings import SINGLE_ACCOUNT
from harness.connections import Server
from harness.login_sessions import Identity, add_identity

ISSUER = "https://demo.sessionbase.invalid"
"""The claim iss. Under .invalid there is nobody (RFC 2606), so nobody else's tokens have it."""

CLIENT_ID = "sessionbase-viewer"
"""Who the tokens are for: the claim aud, and the gatekeeper's audience."""


@dataclass(frozen=True)
class Person:
    """Somebody to sign in as. account: its name or id, made if it is not there."""

    subject: str
    name: str
    account: str
    about: str


# The first account is whose the old viewer's data are, so Ada sees what was imported.
ADA = Person("ada", "Ada", str(SINGLE_ACCOUNT), "owns the tour, the imported files and logs")
BO = Person("bo", "Bo", "demo-bo", "Ada shares the tour with him, and he has notes of his own")
CY = Person("cy", "Cy", "demo-cy", "a stranger: sees nothing of theirs")
PEOPLE = (ADA, BO, CY)


def let_in(server: Server) -> dict[str, str]:
    """Make the accounts and identities that are missing; return account ids by subject.

    Raises SessionbaseError: what add_identity() raises.
    """
    return {
        person.subject: str(
            add_identity(server, person.account, Identity(ISSUER, person.subject), may_create=True)[
                "account_id"
            ]
        )
        for person in PEOPLE
    }
