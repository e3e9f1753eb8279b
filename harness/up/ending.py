"""`invoke down`: ends what `invoke up` started, whichever terminal that is in, or was."""

from harness.embedded.postgres import project_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.up.children import end_part, end_parts
from harness.up.state import folder_of, read_state, remove_state

_END_S = 90
"""Each part may take its time, Postgres last."""


def take_down(settings: Settings) -> bool:
    """End it and wait until it has ended. False if nothing was up.

    Raises SessionbaseError (FAILED) if it does not end, SERVER_WONT_START if Postgres does not.
    """
    folder = folder_of(settings)
    state = read_state(folder)
    if state is None:
        return False
    if state.up.process():
        if not end_part(state.up, _END_S):
            raise SessionbaseError(
                ExitCode.FAILED,
                f"invoke up, process {state.up.pid}, has not ended in {_END_S} s",
                hint=f"Its parts' logs are in {folder}.",
            )
        return True
    # It was killed, and could end nothing itself.
    end_parts(state)
    if state.owns_postgres and settings.database_url is None:
        project_postgres(settings).stop()
    remove_state(folder)
    return True
