"""`invoke down`: ends what `invoke up` started, whichever terminal that is in, or was."""

import psutil

from harness.embedded.postgres import project_postgres
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.up.children import end_parts
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
    process = state.up.process()
    if process:
        try:
            process.terminate()
            process.wait(_END_S)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired:
            raise SessionbaseError(
                ExitCode.FAILED,
                f"invoke up, process {process.pid}, has not ended in {_END_S} s",
                hint=f"Its parts' logs are in {folder}.",
            ) from None
        return True
    # It was killed, and could end nothing itself.
    end_parts(state)
    if state.owns_postgres and settings.database_url is None:
        project_postgres(settings).stop()
    remove_state(folder)
    return True
