"""What a drill has to say, for people and for programs."""

from dataclasses import asdict
from typing import Any

from drill.run import Report
from harness import console
from harness.errors import ExitCode
from harness.settings import Settings

_ON = "a private Postgres, and the stand-in for Electric"


def say_what_on(settings: Settings) -> None:
    """Say what is drilled, and of a server that is set that it is left alone."""
    given = {"DATABASE_URL": settings.database_url, "ELECTRIC_URL": settings.electric_url}
    left = [name for name, value in given.items() if value]
    alone = f"; not on what {' and '.join(left)} lead{'s' * (len(left) == 1)} to" if left else ""
    console.note(f"drilling on {_ON}{alone}")


def show_drill(report: Report, *, as_json: bool) -> ExitCode:
    """Show what was injected and what was checked; return BROKEN if something does not hold."""
    if as_json:
        console.show_json(_facts(report))
    else:
        _show(report)
    return ExitCode.OK if report.holds else ExitCode.BROKEN


def _facts(report: Report) -> dict[str, Any]:
    return {
        "holds": report.holds,
        "seed": report.order.seed,
        "minutes": report.order.minutes,
        "on": _ON,
        "injected": [asdict(each) for each in report.injected],
        "not_injected": report.not_injected,
        "checks": [asdict(check) | {"holds": check.holds} for check in report.checks],
        "answers": report.answers,
        "import_exit_codes": report.import_codes,
        "kept": report.kept,
    }


def _show(report: Report) -> None:
    console.show_table(
        f"injected, seed {report.order.seed}",
        ("at s", "fault", "target", "lasted s", "how it was seen"),
        [(each.at, each.name, each.target, each.lasted, each.seen) for each in report.injected],
    )
    for name, why in report.not_injected.items():
        console.say(f"not injected: {name}: {why}")
    console.show_table(
        "checked",
        ("what must hold", "looked at", "holds"),
        [
            (
                check.name,
                ", ".join(f"{count:,} {what}" for what, count in check.looked_at.items()),
                "yes" if check.holds else "NO",
            )
            for check in report.checks
        ],
    )
    for check in report.checks:
        for what in check.wrong:
            console.say(f"violated: {check.name}: {what}")
    console.show_table("answers", ("answer", "times"), report.answers.items())
    runs = ", ".join(f"{times} x {code}" for code, times in report.import_codes.items())
    console.say(f"imports ended with: {runs}")
    if report.kept:
        console.say(f"seed {report.order.seed}; logs are kept in {report.kept}")
