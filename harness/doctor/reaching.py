"""Why a server can't be reached, and what mends that."""

from dataclasses import dataclass

from harness.connections import Server
from harness.doctor.symptoms import Symptom, Urgency
from harness.errors import SessionbaseError


@dataclass(frozen=True)
class _Reason:
    """A reason, by what libpq or the server says of it, in lower case."""

    said: tuple[str, ...]
    found: str
    remedy: str


# The server's own words are in its language: where none of these fits, its words stand as they are.
_REASONS = (
    _Reason(
        ("too many clients", "connection slots are reserved", "too many connections for"),
        "too many connections: none is left for this login",
        "Stop what opens them, or as a superuser, for whom some are reserved: select "
        "pg_terminate_backend(pid) from pg_stat_activity where state = 'idle' and "
        "state_change < now() - interval '10 minutes'",
    ),
    _Reason(
        ("the database system is starting up",),
        "it starts",
        "Wait; its log says how far it is (log_startup_progress_interval).",
    ),
    _Reason(
        ("in recovery mode", "not yet accepting connections", "not accepting connections"),
        "it recovers after a crash, or follows its log to a point in time",
        "Wait; its log says how far it is. If it goes on and on, its log says why it fell.",
    ),
    _Reason(
        ("is shutting down",),
        "it shuts down",
        "Wait until it is down, then start it: systemctl start postgresql",
    ),
    _Reason(
        ("password authentication failed", "no password supplied", "authentication failed"),
        "the login or its password is wrong",
        "Correct DATABASE_URL, or give the login a new password: alter role NAME password '...' "
        "(invoke set-passwords for those of the project)",
    ),
    _Reason(
        ("no pg_hba.conf entry", "pg_hba.conf rejects"),
        "pg_hba.conf does not let this login in from here",
        "Add a line to pg_hba.conf; then select pg_reload_conf()",
    ),
    _Reason(
        ('" is not permitted to log in', "permission denied for database"),
        "this login may not connect to this database",
        "grant connect on database NAME to LOGIN; alter role LOGIN login",
    ),
    _Reason(
        ('database "',),
        "there is no such database",
        "Correct DATABASE_URL, or restore: invoke restore DIR (docs/backups.md)",
    ),
    _Reason(
        ("connection refused", "no such file or directory"),
        "nothing listens there",
        "Start it: systemctl start postgresql, or docker compose up --detach postgres, or for the "
        "embedded one invoke pg-start. If it ends again, its log says why; see df -h.",
    ),
    _Reason(
        ("timeout", "timed out", "no route to host", "network is unreachable"),
        "no answer: the machine is down, or a firewall is in between",
        "Look whether the machine runs, and whether its port is reached from here: pg_isready",
    ),
    _Reason(
        ("could not translate host name", "name or service not known", "failed to resolve"),
        "its name leads nowhere",
        "Correct the host in DATABASE_URL, or the name service.",
    ),
    _Reason(
        ("ssl", "certificate"),
        "TLS does not come about",
        "Correct sslmode and sslrootcert in DATABASE_URL, or renew the server's certificate.",
    ),
)


def why_not(server: Server, error: SessionbaseError) -> Symptom:
    """Say why the server can't be reached, as far as the error tells."""
    text = error.what.lower()
    for reason in _REASONS:
        if any(said in text for said in reason.said):
            found = f"{server.label} can't be reached: {reason.found}"
            return Symptom(Urgency.BROKEN, "connection", found, reason.remedy)
    return Symptom(Urgency.BROKEN, "connection", error.what, error.hint)
