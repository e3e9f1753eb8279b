"""What a policy must say for a cell of the intent, in the words Postgres prints."""

from dataclasses import dataclass

from harness.review.catalog import Table
from harness.review.intent import MEMBER_ROLES, Cell

_ASKING = "( SELECT app.current_account_id() AS current_account_id)"
_SHARED = "SELECT shared.account_id, shared.session_id FROM app.memberships shared"
_NEEDS_USING = ("select", "update", "delete")
_NEEDS_CHECK = ("insert", "update")
AUTHOR = "author_account_id"


@dataclass(frozen=True)
class PolicyText:
    """USING and WITH CHECK; None where the command has none."""

    using: str | None
    check: str | None

    def sentence(self) -> str:
        """Return both as SQL says them."""
        parts = (("using", self.using), ("with check", self.check))
        return " ".join(f"{word} ({text})" for word, text in parts if text is not None)


def policy_text(cell: Cell, table: Table) -> PolicyText:
    """Return what the one policy of a cell says. The cell is not "never"."""
    condition = _condition(cell, table)
    check = condition
    if cell.command == "insert" and cell.rows != "all" and AUTHOR in cell.columns:
        # Who writes a row names itself as its author, wherever the row is.
        check = f"({condition} AND ({AUTHOR} = {_ASKING}))"
    return PolicyText(
        condition if cell.command in _NEEDS_USING else None,
        check if cell.command in _NEEDS_CHECK else None,
    )


def _condition(cell: Cell, table: Table) -> str:
    if cell.rows == "all":
        return "true"
    # app.accounts is its own account, and app.sessions its own session.
    account = "account_id" if "account_id" in table.columns else "id"
    session = "session_id" if "session_id" in table.columns else "id"
    own = f"({account} = {_ASKING})"
    if cell.rows == "own":
        return own
    shared = _SHARED + _only(MEMBER_ROLES[cell.rows])
    return f"({own} OR (({account}, {session}) IN ( {shared})))"


def _only(members: tuple[str, ...]) -> str:
    """Return the filter on a member's role. A viewer may do least, so viewers need none."""
    if "viewer" in members:
        return ""
    texts = [f"'{member}'::text" for member in members]
    if len(texts) == 1:
        return f" WHERE (shared.role = {texts[0]})"
    return f" WHERE (shared.role = ANY (ARRAY[{', '.join(texts)}]))"
