"""The import of a cutover: done once, even where it was killed between its end and the journal."""

from harness.connections import Server, connect
from harness.console import Watch
from harness.cutover.journal import Facts
from harness.cutover.request import CutoverRequest
from harness.cutover.sums import Sums
from harness.legacy import steps
from harness.legacy.books import Books
from harness.legacy.importer import import_folder
from harness.legacy.reading import reading
from harness.legacy.results import ImportResult
from harness.legacy.steps import FILES, Run

_PURPOSE = "cutover"


class Bringing:
    """Brings a folder in whose files have known sums."""

    def __init__(self, server: Server, request: CutoverRequest, sums: Sums) -> None:
        self._server = server
        self._asked = request.import_of(request.data)
        self._sums = sums

    def newest_run(self) -> Facts:
        """Return what is to be noted before the import begins: the newest finished one, or none."""
        with reading(self._server, _PURPOSE, self._asked.account) as (connection, account_id):
            return {"run_id": Books(connection, account_id).run_id}

    def found_since(self, noted: Facts) -> ImportResult | None:
        """Return what a run found that finished since that was noted, and read these files."""
        with reading(self._server, _PURPOSE, self._asked.account) as (connection, account_id):
            books = Books(connection, account_id)
            if books.run_id in {None, noted.get("run_id")}:
                return None
            for kind, name in FILES.items():
                sha256 = books.ledger(kind).sha256
                if (sha256 and sha256.hex()) != self._sums[name]:
                    return None
            run_id, seconds = connection.execute(
                "select id, extract(epoch from finished_at - started_at)::float8 "
                "from legacy.import_runs where id = %s",
                [books.run_id],
            ).fetchone() or (0, 0.0)
        with connect(self._server, _PURPOSE) as connection, steps.in_words():
            steps.become_importer(connection)
            run = Run(run_id, 0, builds=False)
            return steps.result(connection, run, self._server.label, self._asked, seconds)

    def bring_in(self, watch: Watch) -> ImportResult:
        """Import, behind what an interrupted run has brought. Raises what import_folder() does."""
        return import_folder(self._server, self._asked, watch)
