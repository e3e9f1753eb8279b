"""Every command, a few lines each: parse, call the harness, print.

`invoke --list` shows them, `invoke --help NAME` their options.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from random import randrange
from typing import ParamSpec

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from rich.prompt import Prompt

from bench.registry import NAMES, Asked, find_bench, measure
from gatekeeper.run import serve
from gatekeeper.settings import GatekeeperSettings
from harness import console, quality, reports, settings
from harness.backups.backup import BackupRequest, back_up
from harness.backups.restore import RestoreRequest
from harness.backups.restore import restore as restore_backup
from harness.backups.showing import show_backup, show_restored
from harness.connections import Server, server_of_url
from harness.cutover.request import CutoverRequest
from harness.cutover.rollback import RollbackRequest, roll_back
from harness.cutover.rollback_showing import report_rollback
from harness.cutover.run import cut_over
from harness.cutover.showing import show_cutover, show_stop
from harness.doctor.examination import consult
from harness.embedded.electric.run import Start, refuse_production, run_stand_in
from harness.embedded.postgres import EmbeddedPostgres, project_postgres
from harness.errors import INTERRUPTED, ExitCode, SessionbaseError, of_os_error
from harness.guide.command import guide as write_guide
from harness.legacy.exporter import ExportRequest, export_folder
from harness.legacy.importer import check_options, check_request, import_folder
from harness.legacy.results import ImportRequest, on_conflict_of
from harness.legacy.showing import report_export, report_verification
from harness.legacy.verifier import VerifyRequest, verify_folder
from harness.login_sessions import (
    Identity,
    list_login_sessions,
    prune_login_sessions,
    report_count,
    report_identity,
    report_login_sessions,
    revoke_all_login_sessions,
    revoke_login_session,
)
from harness.login_sessions import add_identity as let_sign_in
from harness.maintenance import (
    begin_maintenance,
    end_maintenance,
    maintenance_state,
    report_maintenance,
)
from harness.migrations.runner import Migrator
from harness.options import check_least, check_port, task
from harness.passwords import set_passwords as give_passwords
from harness.psql import run_psql
from harness.reset import reset as reset_database
from harness.review.paper import ask_for, put_on_paper, report_on_paper
from harness.review.review import review as review_database
from harness.session_logs.finding import USUAL
from harness.session_logs.ingest import ingest_logs
from harness.session_logs.results import IngestRequest
from harness.session_logs.showing import report_ingest
from harness.site import build_site
from harness.targets import bring_up_to_date, target
from harness.up.detaching import run_detached
from harness.up.ending import take_down
from harness.up.run import USUAL_PORT, UpOrder, run_up
from harness.up.showing import report_status as show_status
from harness.up.showing import show_up
from harness.up.state import State
from harness.upload_files import StoreRequest, report_stored, store_file, write_content

P = ParamSpec("P")
_JSON = {"json": "Print the facts as JSON, and nothing else."}


def command(function: Callable[P, ExitCode | None]) -> Callable[P, None]:
    """Make what a function returns or raises the command's exit code, and errors readable."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = function(*args, **kwargs)
        except SessionbaseError as error:
            console.show_error(error)
            raise Exit(code=error.code) from None
        except OSError as error:
            # A path that is not what it was taken for; the program at fault would print more.
            console.show_error(of_os_error(error))
            raise Exit(code=ExitCode.FAILED) from None
        except UnicodeEncodeError:
            # A file's name may hold any byte; a name in the database may not.
            if all(word.isprintable() for word in kwargs.values() if isinstance(word, str)):
                raise
            console.show_error(SessionbaseError(ExitCode.REFUSED, "an option's text is not UTF-8"))
            raise Exit(code=ExitCode.REFUSED) from None
        except KeyboardInterrupt:
            console.note("interrupted; what was not committed is undone, what was stays")
            raise Exit(code=INTERRUPTED) from None
        if code:
            raise Exit(code=code)

    return run


@contextmanager
def _requirements(extras: str) -> Iterator[None]:
    """Say what to install where a module is imported that only some extras bring."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SessionbaseError(
            ExitCode.MISSING_TOOL,
            f"{error.name} is not installed",
            hint=f"python3 -m pip install -e '.[{extras}]'",
        ) from None


@task(
    help={
        "dry-run": "Only show what would be applied.",
        "status": "Show every file and whether it is in force; exit 3 if something is pending.",
        "reapply": "Apply every function and policy again, as after one was changed by hand.",
        **_JSON,
    }
)
@command
def migrate(
    _: Context,
    dry_run: bool = False,
    status: bool = False,
    reapply: bool = False,
    json: bool = False,
) -> ExitCode | None:
    """Bring the database to the state of sql/."""
    if status and dry_run:
        raise SessionbaseError(ExitCode.REFUSED, "--status and --dry-run show different things")
    known = settings.load()
    server = target(known)
    if status or dry_run:
        report = reports.report_plan if status else reports.report_dry_run
        return report(server, Migrator(known).plan(server, reapply=reapply), as_json=json)
    with console.progress() as tell:
        applied = Migrator(known, tell=tell, warn=console.note).apply(server, reapply=reapply)
    reports.report_applied(server, applied, as_json=json)
    return None


@task
@command
def set_passwords(_: Context) -> None:
    """Give the roles that log in the passwords of SESSIONBASE_..._PASSWORD."""
    known = settings.load()
    server = target(known)
    console.say(f"passwords set: {', '.join(give_passwords(server, known))}")


@task(
    help={
        "data": "The viewer's data folder; without it, the samples in examples/legacy.",
        "account": "Name or id of the account to import into, where there are several.",
        "dry-run": "Do it all, report it, and roll it back.",
        "on-conflict": "A record whose id the database has with other content: quarantine (it), "
        "keep (the database's), or replace (that).",
        "jobs": "How many connections bring messages and tool events in.",
        "report": "Write a page to keep, with sums, reasons and checksums, to this file.",
        "max-quarantine": "How many records may be quarantined before the exit code says so.",
        "wait": "How many seconds to wait for another import into the account.",
        **_JSON,
    }
)
@command
def import_legacy(  # noqa: PLR0913, PLR0917 - its options
    _: Context,
    data: str = str(settings.EXAMPLES),
    account: str = "",
    dry_run: bool = False,
    on_conflict: str = "quarantine",
    jobs: int = 1,
    report: str = "",
    max_quarantine: int = 0,
    wait: int = 10,
    json: bool = False,
) -> ExitCode:
    """Import the old viewer's three JSON files. Interrupted, the same command goes on."""
    request = ImportRequest(
        Path(data),
        account or None,
        dry_run=dry_run,
        on_conflict=on_conflict_of(on_conflict),
        jobs=jobs,
        wait_s=wait,
    )
    known = settings.load()
    check_request(request, max_quarantine)
    page = reports.check_page(report)
    server = target(known)
    bring_up_to_date(server, known, may_migrate=not dry_run)
    with console.watching() as watch:
        result = import_folder(server, request, watch)
    if page:
        reports.write_page(page, result)
    return reports.report_import(result, as_json=json, max_quarantine=max_quarantine)


@task(
    help={
        "out": "The folder to write chat-threads.json and the others to.",
        "account": "Name or id of the account to export, where there are several.",
        "force": "Replace files that are there.",
        "without-quarantined": "Leave out what the import kept out.",
        **_JSON,
    }
)
@command
def export_legacy(
    _: Context,
    out: str,
    account: str = "",
    force: bool = False,
    without_quarantined: bool = False,
    json: bool = False,
) -> None:
    """Write the tables as the old viewer's three files."""
    request = ExportRequest(
        Path(out), account or None, force=force, with_quarantined=not without_quarantined
    )
    known = settings.load()
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    with console.progress() as tell:
        result = export_folder(server, request, tell)
    report_export(result, as_json=json)


@task(
    help={
        "data": "The viewer's data folder; without it, the samples in examples/legacy.",
        "account": "Name or id of the account it was imported into, where there are several.",
        "limit": "How many differences to show.",
        **_JSON,
    }
)
@command
def verify_import(
    _: Context,
    data: str = str(settings.EXAMPLES),
    account: str = "",
    limit: int = 20,
    json: bool = False,
) -> ExitCode:
    """Compare the old viewer's files with the database; exit 37 if they differ."""
    known = settings.load()
    request = VerifyRequest(Path(data), account or None, limit)
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    with console.progress() as tell:
        result = verify_folder(server, request, tell)
    return report_verification(result, as_json=json)


@task(
    iterable=["path"],
    help={
        "path": "A session log, or a folder with some; may be given again and again, or as what "
        "follows --. Without one, ~/.codex/sessions.",
        "account": "Name or id of the account to read them into, where there are several.",
        "bundled": "They were shipped with a viewer, and not found on disk.",
        "dry-run": "Say what would be done, and do nothing.",
        "wait": "How many seconds to wait for another run that reads the same log.",
        **_JSON,
    },
)
@command
def ingest_sessions(  # noqa: PLR0913, PLR0917 - its options
    context: Context,
    path: list[str],
    account: str = "",
    bundled: bool = False,
    dry_run: bool = False,
    wait: int = 10,
    json: bool = False,
) -> ExitCode:
    """Read the logs that agents left on disk. Interrupted, the same command goes on."""
    check_least("--wait", wait)
    paths = [*path, *_rest(context)] or [str(USUAL)]
    request = IngestRequest(
        [Path(each) for each in paths],
        account or None,
        bundled=bundled,
        dry_run=dry_run,
        wait_s=wait,
    )
    known = settings.load()
    server = target(known)
    bring_up_to_date(server, known, may_migrate=not dry_run)
    with console.watching() as watch:
        result = ingest_logs(server, request, watch)
    return report_ingest(result, as_json=json)


@task(
    help={
        "data": "The old viewer's data folder.",
        "out": "The folder for archive, journal and report; the same to go on.",
        "account": "Name or id of the account to import into, where there are several.",
        "rehearse": "Do it all in a database of its own, and drop that.",
        "on-conflict": "A record whose id the database has with other content: quarantine (it), "
        "keep (the database's), or replace (that).",
        "jobs": "How many connections bring messages and tool events in.",
        "max-quarantine": "How many records may be quarantined; with more the doors stay closed.",
        **_JSON,
    }
)
@command
def cutover(  # noqa: PLR0913, PLR0917 - its options
    _: Context,
    data: str,
    out: str = "cutover",
    account: str = "",
    rehearse: bool = False,
    on_conflict: str = "quarantine",
    jobs: int = 1,
    max_quarantine: int = 0,
    json: bool = False,
) -> None:
    """Move over from the old viewer's files, in one night. Interrupted, the same goes on."""
    request = CutoverRequest(
        Path(data),
        Path(out),
        account or None,
        on_conflict_of(on_conflict),
        jobs,
        max_quarantine,
        rehearse=rehearse,
    )
    check_options(request.import_of(request.data), max_quarantine)
    known = settings.load()
    done = cut_over(target(known), known, request, lambda stop: show_stop(stop, as_json=json))
    show_cutover(done, as_json=json)


@task(
    positional=["path"],
    help={
        "path": "The file to store.",
        "account": "Name or id of the account to store it for, where there are several.",
        "session": "The session that it is the log of.",
        **_JSON,
    },
)
@command
def store_upload(
    _: Context, path: str, account: str = "", session: str = "", json: bool = False
) -> None:
    """Store a file as an upload, compressed. Interrupted, the same command goes on."""
    known = settings.load()
    request = StoreRequest(Path(path), account or None, session or None)
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    with console.watching() as watch:
        stored = store_file(server, request, watch)
    report_stored(stored, as_json=json)


@task(
    positional=["upload"],
    help={
        "upload": "The id of the upload.",
        "account": "Name or id of the account it belongs to, where there are several.",
        "out": "The file to write; without it, standard output.",
    },
)
@command
def read_upload(_: Context, upload: str, account: str = "", out: str = "") -> None:
    """Write an upload's content as it was, checked by its SHA-256; exit 44 if it differs."""
    known, path = settings.load(), Path(out) if out else None
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    with console.watching() as watch:
        size = write_content(server, upload, account or None, path, watch)
    if path:
        console.note(f"{size:,} bytes written to {path}")


@task(
    help={
        "account": "Name or id of the account whose they are.",
        "ended": "Show those that have ended too; they are kept for 30 days.",
        "revoke": "End the login session of this id.",
        "revoke-all": "End every login session of the account.",
        "prune": "Remove what has been over for long; each sign-in removes a little of it.",
        **_JSON,
    }
)
@command
def sessions(  # noqa: PLR0913, PLR0917 - its options
    _: Context,
    account: str = "",
    ended: bool = False,
    revoke: str = "",
    revoke_all: bool = False,
    prune: bool = False,
    json: bool = False,
) -> None:
    """Show who is signed in, or sign them out."""
    if sum(map(bool, (revoke, revoke_all, prune))) > 1:
        raise SessionbaseError(
            ExitCode.REFUSED, "--revoke, --revoke-all and --prune do different things"
        )
    known = settings.load()
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    if revoke:
        revoke_login_session(server, revoke)
        report_count({"ended": 1}, as_json=json)
    elif revoke_all:
        report_count({"ended": revoke_all_login_sessions(server, account)}, as_json=json)
    elif prune:
        report_count(prune_login_sessions(server), as_json=json)
    else:
        rows = list_login_sessions(server, account or None, with_ended=ended)
        report_login_sessions(rows, as_json=json)


@task(
    help={
        "begin": "Stop what applications write; the reason, which writers are told.",
        "end": "Let them write again.",
        "wait": "How many seconds to wait for transactions that have written to end.",
        **_JSON,
    }
)
@command
def maintenance(
    _: Context, begin: str | None = None, end: bool = False, wait: int = 30, json: bool = False
) -> None:
    """Stop what applications write, let them go on, or say how it is. Reading goes on."""
    if begin is not None and end:
        raise SessionbaseError(ExitCode.REFUSED, "--begin and --end are opposites")
    if begin is not None and not begin.strip():
        raise SessionbaseError(ExitCode.REFUSED, "--begin takes the reason, which writers are told")
    check_least("--wait", wait)
    known = settings.load()
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    if begin:
        with console.progress() as tell:
            mark = begin_maintenance(server, begin, wait_s=wait, tell=tell)
        report_maintenance(mark, None, as_json=json)
    elif end:
        report_maintenance(None, end_maintenance(server), as_json=json)
    else:
        report_maintenance(maintenance_state(server), None, as_json=json)


@task(
    help={
        "data": "The old viewer's data folder.",
        "archive": "The archive that was taken before the cutover: what it holds is restored.",
        "with-new-data": "Write what the database has now instead, with what came since.",
        "account": "With --with-new-data: name or id of the account, where there are several.",
        "no-database": "Restore the archive without stopping what is written into the database, "
        "as when it can't be reached.",
        "dry-run": "Say what would be done, and do nothing.",
        "wait": "How many seconds to wait for transactions that have written to end.",
        **_JSON,
    }
)
@command
def rollback(  # noqa: PLR0913, PLR0917 - its options
    _: Context,
    data: str,
    archive: str = "",
    with_new_data: bool = False,
    account: str = "",
    no_database: bool = False,
    dry_run: bool = False,
    wait: int = 30,
    json: bool = False,
) -> None:
    """Put the old viewer's files back, and stop what is written into the database."""
    if bool(archive) == with_new_data:
        raise SessionbaseError(
            ExitCode.REFUSED,
            "say which files: --archive FILE (as they were) or --with-new-data (as they are now)",
        )
    if no_database and with_new_data:
        raise SessionbaseError(ExitCode.REFUSED, "--with-new-data needs the database")
    check_least("--wait", wait)
    known = settings.load()
    server = None if no_database or (dry_run and archive) else target(known)
    if server and with_new_data:
        bring_up_to_date(server, known, may_migrate=False)
    request = RollbackRequest(
        Path(data),
        Path(archive) if archive else None,
        server,
        account or None,
        dry_run=dry_run,
        wait_s=wait,
    )
    with console.progress() as tell:
        done = roll_back(request, tell)
    report_rollback(done, as_json=json)


@task(
    help={
        "account": "Name or id of the account.",
        "issuer": "The identity provider: the claim iss of its tokens.",
        "subject": "Who it is there: the claim sub.",
        "create": "Make the account if there is none of this name.",
        **_JSON,
    }
)
@command
def add_identity(
    _: Context,
    account: str,
    issuer: str,
    subject: str,
    create: bool = False,
    json: bool = False,
) -> None:
    """Let somebody of an identity provider sign in to an account."""
    known = settings.load()
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    row = let_sign_in(server, account, Identity(issuer, subject), may_create=create)
    report_identity(row, account, as_json=json)


@task(
    help={
        "sql": "Only the pgTAP tests.",
        "py": "Only the pytest tests.",
        "k": "Only tests with this in their name.",
        "postgres": "auto, embedded, container or url: what the tests run on.",
        "electric": "auto, stand-in, container or url: what tests of sync run on.",
        "workers": "How many processes run pytest; 0: one a core, but one for DATABASE_URL or -k.",
    }
)
@command
def test(  # noqa: PLR0913, PLR0917 - its options
    _: Context,
    sql: bool = False,
    py: bool = False,
    k: str = "",
    postgres: str = "auto",
    electric: str = "auto",
    workers: int = 0,
) -> ExitCode:
    """Run the tests: pgTAP by pg_prove, then pytest."""
    with _requirements("test"):
        from harness.testing.run import run_tests  # noqa: PLC0415 - needs them
    parts = {name for name, wanted in (("sql", sql), ("py", py)) if wanted} or {"sql", "py"}
    return run_tests(
        settings.load(),
        parts=parts,
        expression=k,
        postgres=postgres,
        electric=electric,
        workers=workers,
    )


@task(
    positional=["what"],
    help={
        "what": f"{', '.join(NAMES)}; or all: each that has peers, and a page of them.",
        "rows": "How many messages; 0: 100,000, 2,000,000 for rls, 300 (timed) for sync, 2,000 "
        "for gatekeeper, 1,000,000 for rehearsal.",
        "runs": "How often, all in turn each time; 0: 5, 9 for rls, 3 for uploads and sync; of "
        "rehearsal: how often it is killed, 20.",
        "seed": "rehearsal: says when it is killed.",
        "filled": "import: messages of another account that are there already; 0: as many as rows.",
        "scale": "import: also files of 10,000, 100,000 and 1,000,000 messages; takes long.",
        "held": "gatekeeper: how many polls are held at a time.",
        "accounts": "rls: how many accounts the messages are of.",
        "reads": "rls: how many reads a measurement has.",
        "seconds": "writes: how long a measurement is.",
        "minutes": "soak: how long writers write.",
        "writers": "soak: how many write.",
        "clients": "soak: how many follow.",
        "sessions": "soak: how many sessions they write to and follow.",
        "rate": "soak: how many messages a second all writers write together.",
        "data": "uploads: a folder of session logs, which are only measured.",
        "out": "Also write the figures to this file, as Markdown. all: the folder of the page, "
        "else bench-results/.",
        "compare": "all: the bench.json of an earlier run, to say what changed.",
        **_JSON,
    },
)
@command
def bench(  # noqa: PLR0913, PLR0917 - a command's options, and each its report
    _: Context,
    what: str,
    rows: int = 0,
    runs: int = 0,
    filled: int = 0,
    scale: bool = False,
    accounts: int = 200,
    reads: int = 3000,
    seconds: int = 5,
    data: str = "",
    held: int = 10_000,
    seed: int = 1,
    minutes: float = 10.0,
    writers: int = 50,
    clients: int = 200,
    sessions: int = 50,
    rate: float = 5.0,
    out: str = "",
    compare: str = "",
    json: bool = False,
) -> ExitCode:
    """Measure beside its peers, one thing or all."""
    known = settings.load()
    asked = Asked(
        rows=rows,
        runs=runs,
        filled=filled,
        scale=scale,
        held=held,
        accounts=accounts,
        reads=reads,
        seconds=seconds,
        seed=seed,
        minutes=minutes,
        writers=writers,
        clients=clients,
        sessions=sessions,
        rate=rate,
        data=Path(data) if data else None,
    )
    if what == "all":
        _bench_all(known, asked, out, compare, as_json=json)
        return ExitCode.OK
    if compare:
        raise SessionbaseError(ExitCode.REFUSED, "--compare is for bench all")
    with _requirements("test"):
        chosen = find_bench(what)
    with console.progress() as tell:
        report = measure(chosen, known, asked, tell)
    chosen.findings(report).show(as_json=json, out=Path(out) if out else None)
    return ExitCode.OK if chosen.is_well(report) else ExitCode.FAILED


def _bench_all(
    known: settings.Settings, asked: Asked, out: str, compare: str, *, as_json: bool
) -> None:
    with _requirements("bench,test"):
        from bench.paper.run import write_all  # noqa: PLC0415 - needs them
    with console.progress() as tell:
        page = write_all(known, asked, Path(out or "bench-results"), compare, tell)
    if as_json:
        console.say(page.numbers.read_text("utf-8"))
    else:
        console.say(f"open {page.page}; the numbers: {page.numbers}")
    for name in page.left_out:
        console.note(f"not measured: {name}; it needs session logs, which --data DIR names")


@task(
    help={
        "minutes": "For how long faults are injected; starting and checking come on top.",
        "seed": "Which faults, in which order; without it, another one each time.",
        **_JSON,
    }
)
@command
def drill(_: Context, minutes: float = 2.0, seed: int = 0, json: bool = False) -> ExitCode:
    """Break a private installation under load, and check what must hold; exit 54 if it doesn't."""
    with _requirements("test"):
        from drill.report import say_what_on, show_drill  # noqa: PLC0415 - needs them
        from drill.run import DrillOrder, run_drill  # noqa: PLC0415 - as well
    order = DrillOrder(minutes, seed or randrange(1, 1_000_000))  # noqa: S311 - it decides what breaks, and is told
    console.note(f"seed {order.seed}")
    known = settings.load()
    say_what_on(known)
    with console.progress() as tell:
        report = run_drill(known, order, tell)
    return show_drill(report, as_json=json)


@task(help={"command": "Run this and exit, instead of a prompt."})
@command
def psql(_: Context, command: str = "") -> ExitCode | None:
    """Open psql on the database."""
    known = settings.load()
    return ExitCode.FAILED if run_psql(target(known), known, command) else None


@task(
    help={
        "proof": "Try every command as every role on a scratch database beside it.",
        "write": "Write docs/policies.md, which is else compared.",
        "page": "Write a page to keep, with matrix, policies and proof, to this file.",
        "diff": "Also show what changed in who may do what since this revision of git.",
        **_JSON,
    }
)
@command
def review(
    _: Context,
    proof: bool = True,
    write: bool = False,
    page: str = "",
    diff: str = "",
    json: bool = False,
) -> ExitCode:
    """Compare rights and policies with their intent, and try them; exit 25 if they differ."""
    known = settings.load()
    paper = ask_for(write=write, page=page, revision=diff)
    server = target(known)
    with console.progress() as tell:
        found = review_database(known, server, tell, with_proof=proof)
    return report_on_paper(put_on_paper(found, paper), diff, as_json=json)


@task(help={"write": "Write docs/developer-guide.md, which is else compared."})
@command
def guide(_: Context, write: bool = False) -> ExitCode:
    """Compare docs/developer-guide.md with the database; exit 26 if it is stale."""
    known = settings.load()
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    return write_guide(server, write=write)


@task(help={"all": "Show what is fine, too.", **_JSON})
@command
def doctor(_: Context, all: bool = False, json: bool = False) -> ExitCode:  # noqa: A002 - its name
    """Say what is wrong, the most urgent first, and what mends it; exit 27 if something is."""
    known = settings.load()
    return consult(target(known), known, as_json=json, everything=all)


@task(help={"out": "The folder to write it to; else site/."})
@command
def docs(_: Context, out: str = "site") -> None:
    """Make a site of docs/, to read in a browser."""
    with console.progress() as tell:
        page = build_site(Path(out), tell)
    console.say(f"open {page}")


@task
@command
def lint(_: Context) -> ExitCode:
    """Check SQL, Python and the Dockerfile: sqlfluff, squawk, ruff, mypy, hadolint, pgrls."""
    return quality.lint()


@task
@command
def fmt(_: Context) -> ExitCode:
    """Format SQL and Python in place."""
    return quality.fmt()


@task
@command
def pg_start(_: Context) -> None:
    """Start the embedded Postgres, if it does not run."""
    console.say(f"running: {_embedded(settings.load()).ensure_running().label}")


@task
@command
def pg_stop(_: Context) -> None:
    """Stop the embedded Postgres. Its data stays."""
    stopped = _embedded(settings.load()).stop()
    console.say("stopped" if stopped else "it did not run")


@task(help=_JSON)
@command
def pg_status(_: Context, json: bool = False) -> ExitCode:
    """Show whether the embedded Postgres runs; exit 1 if not."""
    return reports.report_status(_embedded(settings.load()).status(), as_json=json)


@task(
    help={
        "port": "Where to listen on 127.0.0.1; 0 takes any port that is free.",
    }
)
@command
def electric(_: Context, port: int = 3000) -> None:
    """Run a stand-in for Electric, for development and tests. Ctrl-C ends it."""
    check_port(port)
    known = settings.load()
    refuse_production(known)
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    run_stand_in(server, known, Start(port), console.say)
    console.note("ended; its replication slot is gone")


@task(
    help={
        "out": "The folder to make; else one in backups/, named after the database and the time.",
        "jobs": "How many connections read at a time.",
        **_JSON,
    }
)
@command
def backup(_: Context, out: str = "", jobs: int = 1, json: bool = False) -> None:
    """Back the database up by pg_dump, with its roles and a manifest to check it by."""
    check_least("--jobs", jobs, 1)
    known = settings.load()
    server = target(known)
    with console.progress() as tell:
        made = back_up(server, known, BackupRequest(Path(out) if out else None, jobs), tell)
    show_backup(server, made, as_json=json)


@task(
    positional=["folder"],
    help={
        "folder": "What `invoke backup` made.",
        "jobs": "How many connections write; one writes all in one transaction.",
        **_JSON,
    },
)
@command
def restore(_: Context, folder: str, jobs: int = 1, json: bool = False) -> None:
    """Restore a backup into an empty database, and compare what is there with what was."""
    check_least("--jobs", jobs, 1)
    known = settings.load()
    server = target(known)
    with console.progress() as tell:
        done = restore_backup(server, known, RestoreRequest(Path(folder), jobs), tell)
    show_restored(server, done, as_json=json)


@task(
    help={
        "port": "Where to listen, instead of what is set; 0 takes any that is free.",
    }
)
@command
def gatekeeper(_: Context, port: int = -1) -> None:
    """Serve applications: sync through Electric, functions, uploads. Ctrl-C ends it."""
    known = settings.load_as(GatekeeperSettings)
    if port != -1:
        check_port(port)
        known = known.model_copy(update={"gatekeeper_port": port})
    server = _gatekeeper_target(known)
    serve(server, known, console.say)


@task(
    help={
        "port": f"Where to serve on 127.0.0.1; else {USUAL_PORT}, or any if that is taken.",
        "demo": "Let people of the sample go on talking.",
        "sample": "Write the sample's people and let them sign in; without it, what there is.",
        "detach": "Return once it is up; `invoke down` ends it.",
        **_JSON,
    }
)
@command
def up(
    _: Context,
    port: int = -1,
    demo: bool = False,
    sample: bool = True,
    detach: bool = False,
    json: bool = False,
) -> None:
    """Run everything on this machine, with a sample to look at, until Ctrl-C."""
    known = settings.load_as(GatekeeperSettings)
    order = UpOrder(None if port == -1 else port, sample=sample, demo=demo)
    began = datetime.now(UTC)

    def show(state: State) -> None:
        show_up(state, was_up=state.since < began, as_json=json)

    if detach:
        order.check()
        run_detached(known, order, show)
    else:
        run_up(known, order, console.note, show)


@task
@command
def down(_: Context) -> None:
    """End what `invoke up` started."""
    console.say("ended" if take_down(settings.load()) else "nothing is up")


@task(help=_JSON)
@command
def status(_: Context, json: bool = False) -> ExitCode:
    """Show what `invoke up` runs and whether it is well; exit 1 if not."""
    return show_status(settings.load(), as_json=json)


@task(help={"database": "Name of the database, if it is not the embedded one."})
@command
def reset(_: Context, database: str = "") -> None:
    """Throw the database's contents away, after asking twice."""
    console.say(reset_database(settings.load(), database or None, _ask))


def _rest(context: Context) -> list[str]:
    """Return the words behind --. invoke joins them, so that a blank in one would part it."""
    return sys.argv[sys.argv.index("--") + 1 :] if context.remainder else []


def _gatekeeper_target(known: GatekeeperSettings) -> Server:
    """Return the database that the gatekeeper serves; the embedded one is made ready for it."""
    if known.gatekeeper_database_url:
        return server_of_url(known.gatekeeper_database_url.get_secret_value())
    server = target(known)
    bring_up_to_date(server, known, may_migrate=False)
    return server


def _embedded(known: settings.Settings) -> EmbeddedPostgres:
    if known.database_url:
        raise SessionbaseError(
            ExitCode.REFUSED,
            "DATABASE_URL is set, so there is no embedded server to speak of",
            hint="Unset it to work with the embedded server.",
        )
    return project_postgres(known)


def _ask(question: str) -> str:
    try:
        return Prompt.ask(question)
    except EOFError:
        return ""


ns = Collection(
    migrate,
    set_passwords,
    import_legacy,
    export_legacy,
    verify_import,
    cutover,
    ingest_sessions,
    store_upload,
    read_upload,
    add_identity,
    sessions,
    maintenance,
    test,
    bench,
    drill,
    psql,
    review,
    guide,
    doctor,
    docs,
    lint,
    fmt,
    pg_start,
    pg_stop,
    pg_status,
    electric,
    backup,
    restore,
    rollback,
    gatekeeper,
    up,
    down,
    status,
    reset,
)
