"""Rows for the proof: of every table one in each place that somebody may or may not reach.

Every row has a second one like it that is not there yet, for the inserts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg import sql

from harness.connections import Connection

Values = dict[str, Any]

ACCOUNTS = {
    name: UUID(int=0x5E55_0000_4000_8000_0000_0000_0000 + number)
    for number, name in enumerate(
        ("owner", "viewer", "editor", "co-owner", "stranger", "disabled", "newcomer"), start=1
    )
}
"""The accounts of the proof. newcomer is the one that is added as a member, and has no row."""

MEMBERS = {"viewer": "viewer", "editor": "editor", "co-owner": "owner", "disabled": "owner"}
"""Who is a member of the shared session, and as what."""

_TIME = "2026-01-01T00:00:00Z"
_SHA256 = bytes(32)


@dataclass(frozen=True)
class Place:
    """Where a row is: whose account, which session, and whether that is shared.

    label: in words. number: tells the rows of places apart where ids are numbers.
    session: None for rows of an account, outside its sessions.
    is_spare: whether it is for rows that are inserted, and holds no row yet.
    """

    label: str
    account: str
    number: int
    session: str | None
    is_shared: bool = False
    is_spare: bool = False

    @property
    def account_id(self) -> UUID:
        """The account's id."""
        return ACCOUNTS[self.account]

    @property
    def tag(self) -> str:
        """Part of every id of the place."""
        return f"review-{self.number}"

    @property
    def thread(self) -> str:
        """The thread that the place's session has."""
        return f"thread-{self.session}"

    def spare(self) -> "Place":
        """Return the like place for rows that are inserted."""
        session = self.session and f"{self.session}-spare"
        return replace(self, number=self.number + 100, session=session, is_spare=True)


SHARED = Place("the shared session", "owner", 1, "review-shared", is_shared=True)
OTHER = Place("another session of the same account", "owner", 2, "review-other")
STRANGERS = Place("a stranger's session", "stranger", 3, "review-stranger")
DISABLEDS = Place("a disabled account's session", "disabled", 4, "review-disabled")
NO_SESSION = Place("the account, in no session", "owner", 5, None)
ACCOUNT = Place("the account", "owner", 6, None)
STRANGER = Place("a stranger's account", "stranger", 7, None)
DISABLED = Place("a disabled account", "disabled", 8, None)
VIEWER = Place("a member's account", "viewer", 9, None)
REGISTRY = Place("the table", "owner", 10, None)

_SESSIONS = (SHARED, OTHER, STRANGERS, DISABLEDS)
_ACCOUNTS = (ACCOUNT, STRANGER, DISABLED)
_RUNS = (ACCOUNT, STRANGER)


@dataclass(frozen=True)
class Row:
    """A row of the proof, there or to be inserted.

    account: whose it is, a name of ACCOUNTS. is_shared: whether members may be let at it.
    values: column by column.
    """

    table: str
    label: str
    account: str
    is_shared: bool
    values: Values


def _account(place: Place) -> Values:
    account_id = UUID(int=place.account_id.int + 100) if place.is_spare else place.account_id
    return {"id": account_id, "name": f"{place.account} {place.tag}", "status": _status(place)}


def _status(place: Place) -> str:
    return "disabled" if place.account == "disabled" else "active"


def _session(place: Place) -> Values:
    # The spare session is there, for other tables' rows; this is one more.
    session = f"{place.session}-new" if place.is_spare else place.session
    return {"account_id": place.account_id, "id": session, **_times("created_at")}


def _times(*also: str) -> Values:
    return dict.fromkeys((*also, "updated_at"), _TIME)


def _in_session(place: Place) -> Values:
    return {"account_id": place.account_id, "session_id": place.session}


def _with_id(place: Place) -> Values:
    return {**_in_session(place), "id": place.tag, "author_account_id": place.account_id}


def _member(place: Place) -> Values:
    newcomer = {"member_account_id": ACCOUNTS["newcomer"], "role": "viewer"}
    return {**_in_session(place), **newcomer}


def _thread(place: Place) -> Values:
    thread = f"{place.thread}-new" if place.is_spare else place.thread
    about = {"mode": "session", "title": "t", "status": "archived", **_times("created_at")}
    return {**_with_id(place), "id": thread, **about}


def _message(place: Place) -> Values:
    about = {"mode": "session", "role": "user", "content": "c", **_times("created_at")}
    return {**_with_id(place), "thread_id": place.thread, **about}


def _tool_event(place: Place) -> Values:
    about = {"tool_name": "t", "status": "pending", "started_at": _TIME, **_times("created_at")}
    return {**_with_id(place), "thread_id": place.thread, **about}


def _hook_decision(place: Place) -> Values:
    about = {"source": "s", "content_hash": "h", "severity": "info", "blocked": False}
    return {**_with_id(place), **about, "created_at": _TIME}


def _misalignment(place: Place) -> Values:
    about = {"rule_id": "r", "title": "t", "summary": "s", "severity": "info", "status": "open"}
    return {**_with_id(place), **about, **_times("created_at")}


def _event(place: Place) -> Values:
    return {**_in_session(place), "event_index": 0, "event_type": "message"}


def _log(place: Place) -> Values:
    return {**_in_session(place), "format": "codex", "source_path": "/l", **_times("created_at")}


def _binding(place: Place) -> Values:
    return {
        **_in_session(place),
        "asset_path": "a",
        "root_dir": "/",
        "author_account_id": place.account_id,
        **_times("created_at"),
    }


def _todo(place: Place) -> Values:
    return {**_with_id(place), "body": "b", **_times("created_at")}


def _upload(place: Place) -> Values:
    about = {"original_name": "o", "size_bytes": 1, "content_sha256": _SHA256, "source": "upload"}
    return {**_in_session(place), "id": place.tag, **about, **_times("stored_at")}


def _chunk(place: Place) -> Values:
    about = {"size_bytes": 1, "encoding": "zstd", "chunk": b"c"}
    return {"account_id": place.account_id, "sha256": place.number.to_bytes(32), **about}


def _content(place: Place) -> Values:
    about = {"sha256": place.number.to_bytes(32), "size_bytes": 1, "chunk_count": 1}
    return {"account_id": place.account_id, **about}


def _content_chunk(place: Place) -> Values:
    about = {"chunk_index": place.number, "byte_offset": place.number}
    names = {"content_sha256": _SHA256, "chunk_sha256": _SHA256}
    return {"account_id": place.account_id, **about, **names}


def _retention(place: Place) -> Values:
    source = "external" if place.is_spare else "upload"
    return {"account_id": place.account_id, "source": source, "older_than": "30 days"}


def _settings(place: Place) -> Values:
    return {"account_id": place.account_id, "profile_id": place.tag, **_times("created_at")}


def _run(place: Place) -> Values:
    about = {"outcome": "running", "tool_version": "v", "on_conflict": "keep", "builds": False}
    if not place.is_spare:
        # An account has one run under way at most, and that is the one to be inserted.
        about |= {"outcome": "finished", "finished_at": "infinity"}
    return {"id": 900_000 + place.number, "account_id": place.account_id, **about}


def _run_id(place: Place) -> int:
    """Return the run that is there."""
    return 900_000 + place.number - (100 if place.is_spare else 0)


def _of_run(place: Place) -> Values:
    return {"run_id": _run_id(place), "kind": "threads"}


def _of_record(place: Place) -> Values:
    return {**_of_run(place), "ordinal": place.number, "byte_offset": 0}


def _file(place: Place) -> Values:
    kind = "messages" if place.is_spare else "threads"
    return {"run_id": _run_id(place), "kind": kind, "file_name": "f", "read_count": 0}


def _batch(place: Place) -> Values:
    about = {"first_ordinal": 0, "record_count": 1, "end_byte": 1, "prefix_sha256": _SHA256}
    settled = {
        "fates": "i",
        "record_ids": [place.tag],
        "byte_offsets": [0],
        "record_sha256s": [_SHA256],
    }
    return {**_of_run(place), "number": place.number, **about, **settled}


def _kept_record(place: Place) -> Values:
    return {"account_id": place.account_id, "record_id": place.tag, **_of_record(place)}


def _made_thread(place: Place) -> Values:
    session = SHARED if place.account == "owner" else STRANGERS
    thread = session.spare().thread if place.is_spare else session.thread
    about = {"reason": "thread_missing", "run_id": _run_id(place)}
    return {"account_id": place.account_id, "thread_id": thread, **about}


def _quarantined(place: Place) -> Values:
    about = {"id": 900_000 + place.number, "file_name": "f", "reason": "conflict", "raw": b"r"}
    unique = {"raw_sha256": _SHA256, "occurrence": place.number, "last_run_id": _run_id(place)}
    return {"account_id": place.account_id, **about, **unique, **_of_record(place)}


def _claim(place: Place) -> Values:
    about = {"number": 0, "ordinal": 0, "byte_offset": 0, "record": "{}", "raw": b"r"}
    run_id = _run_id(place)
    return {"account_id": place.account_id, "thread_id": place.tag, "run_id": run_id, **about}


def _staged(place: Place) -> Values:
    return {**_of_record(place), "raw": b"r", "sha256": _SHA256}


def _judged(place: Place) -> Values:
    return {**_of_record(place), "raw": b"r"}


def _known(place: Place) -> Values:
    return {**_of_run(place), "sha256": _SHA256, "record_id": place.tag}


def _reason(place: Place) -> Values:
    return {"code": place.tag, "fate": "adopted", "meaning": "m"}


def _shape(place: Place) -> Values:
    about = {"table_schema": "app", "table_name": "todos", "columns": ["id"]}
    name = place.tag.replace("-", "_")
    condition = {"where_template": "account_id = $1", "params": ["account_id"]}
    return {"name": name, **about, **condition, "description": "of the proof"}


def _identity(place: Place) -> Values:
    return {"issuer": "i", "subject": place.tag, "account_id": place.account_id}


def _login_session(place: Place) -> Values:
    times = ("created_at", "last_used_at", "idle_expires_at", "absolute_expires_at")
    # The spare login session is there, for its secret; this is one more of the same identity.
    number = place.number + 100 if place.is_spare else place.number
    identity = _identity(replace(place, number=place.number % 100))
    return {"id": UUID(int=number), **identity, **dict.fromkeys(times, _TIME)}


def _login_session_id(place: Place) -> UUID:
    return UUID(int=place.number)


def _login_secret(place: Place) -> Values:
    about = {"secret_hash": place.number.to_bytes(32), "rotated_at": _TIME}
    return {"login_session_id": _login_session_id(place), **about}


def _revocation(place: Place) -> Values:
    return {"id": 900_000 + place.number, "kind": "account", "account_id": place.account_id}


def _mark(place: Place) -> Values:
    return {"scope": place.tag}


def _dropped_key(place: Place) -> Values:
    return {"table_name": "t", "name": place.tag, "kind": "key", "definition": "d"}


def _migration(place: Place) -> Values:
    checksum = "0" * 64
    return {"file": place.tag, "kind": "policy", "checksum": checksum, "duration_ms": 0}


def _attempt(place: Place) -> Values:
    return {"id": 900_000 + place.number, **_migration(place), "outcome": "applied"}


_TABLES: dict[str, tuple[Callable[[Place], Values], tuple[Place, ...]]] = {
    # In the order of their foreign keys.
    "app.accounts": (_account, (*_ACCOUNTS, VIEWER)),
    "app.sessions": (_session, _SESSIONS),
    "app.session_members": (_member, _SESSIONS),
    "app.chat_threads": (_thread, _SESSIONS),
    "app.chat_messages": (_message, _SESSIONS),
    "app.chat_tool_events": (_tool_event, _SESSIONS),
    "app.hook_decisions": (_hook_decision, _SESSIONS),
    "app.misalignments": (_misalignment, _SESSIONS),
    "app.session_events": (_event, _SESSIONS),
    "app.session_logs": (_log, _SESSIONS),
    "app.session_repo_bindings": (_binding, _SESSIONS),
    "app.todos": (_todo, (*_SESSIONS, NO_SESSION)),
    "app.upload_chunks": (_chunk, _ACCOUNTS),
    "app.upload_contents": (_content, _ACCOUNTS),
    "app.upload_content_chunks": (_content_chunk, _ACCOUNTS),
    "app.session_uploads": (_upload, (*_SESSIONS, NO_SESSION)),
    "app.upload_retention": (_retention, _ACCOUNTS),
    "app.ui_settings": (_settings, _ACCOUNTS),
    "legacy.import_runs": (_run, _RUNS),
    "legacy.import_files": (_file, _RUNS),
    "legacy.import_batches": (_batch, _RUNS),
    "legacy.kept_records": (_kept_record, _RUNS),
    "legacy.made_threads": (_made_thread, _RUNS),
    "legacy.quarantine": (_quarantined, _RUNS),
    "legacy.thread_claims": (_claim, _RUNS),
    "legacy.staged_records": (_staged, _RUNS),
    "legacy.judged_records": (_judged, _RUNS),
    "legacy.known_records": (_known, _RUNS),
    "legacy.reasons": (_reason, (REGISTRY,)),
    "auth.identities": (_identity, _ACCOUNTS),
    "auth.login_sessions": (_login_session, _ACCOUNTS),
    "auth.login_secrets": (_login_secret, _ACCOUNTS),
    "auth.revocations": (_revocation, _ACCOUNTS),
    "app.maintenance": (_mark, (REGISTRY,)),
    "sync.shapes": (_shape, (REGISTRY,)),
    "ops.dropped_keys": (_dropped_key, (REGISTRY,)),
    "ops.migrations": (_migration, (REGISTRY,)),
    "ops.migration_attempts": (_attempt, (REGISTRY,)),
}


def rows_there(table: str) -> list[Row]:
    """Return the rows that a table or view has for the proof; none for one that has no seed."""
    if table in _VIEWS:
        return _VIEWS[table]
    if table not in _TABLES:
        return []
    make, places = _TABLES[table]
    return [_row(table, place, make(place)) for place in places]


def rows_to_insert(table: str) -> list[Row]:
    """Return the rows that the proof inserts. A view has none."""
    if table not in _TABLES:
        return []
    make, places = _TABLES[table]
    return [_row(table, place, make(place.spare())) for place in places]


def _row(table: str, place: Place, values: Values) -> Row:
    return Row(table, place.label, place.account, place.is_shared, values)


def _membership(account: str) -> Row:
    values = {**_in_session(SHARED), "role": MEMBERS[account]}
    label = f"the membership of the {MEMBERS[account]}"
    return Row("app.memberships", label, account, is_shared=False, values=values)


HELD = {"app.upload_chunks", "app.upload_contents"}
"""Tables of which each account has a row that others name, so that it can not be removed."""

_VIEWS = {
    "app.memberships": [_membership(name) for name in ("viewer", "editor", "co-owner")],
    "legacy.current_records": [
        _row("legacy.current_records", SHARED, {"kind": "threads", "record_id": SHARED.thread})
    ],
    "legacy.source_records": [
        _row("legacy.source_records", ACCOUNT, {"record_id": ACCOUNT.tag, "fate": "imported"})
    ],
}


def plant(connection: Connection) -> None:
    """Insert all rows that are to be there, as a login that no policy binds.

    Raises psycopg's errors, which connect() makes into sentences.
    """
    for table, rows in _planted():
        for values in rows:
            connection.execute(insert_statement(table, values))


def _planted() -> Iterator[tuple[str, list[Values]]]:
    for table in _TABLES:
        yield table, [*_beside(table), *(row.values for row in rows_there(table))]


_SPARES_THERE: dict[str, tuple[Callable[[Place], Values], tuple[Place, ...]]] = {
    "app.sessions": (
        lambda place: {"account_id": place.account_id, "id": place.session},
        _SESSIONS,
    ),
    "app.chat_threads": (lambda place: {**_thread(place), "id": place.thread}, _SESSIONS),
    "auth.login_sessions": (
        lambda place: {**_login_session(place), "id": _login_session_id(place)},
        _ACCOUNTS,
    ),
}
"""Spare places that are there, for other tables' rows."""


def _beside(table: str) -> list[Values]:
    """Return what others' rows need: accounts that ask, members, sessions, contents of uploads."""
    if table in _SPARES_THERE:
        make, places = _SPARES_THERE[table]
        return [make(place.spare()) for place in places]
    if table == "app.accounts":
        others = ("editor", "co-owner")
        return [{"id": ACCOUNTS[name], "name": name, "status": "active"} for name in others]
    if table == "app.session_members":
        return [
            {**_in_session(place), "member_account_id": ACCOUNTS[name], "role": role}
            for place in (SHARED, SHARED.spare())
            for name, role in MEMBERS.items()
        ]
    if table in HELD:
        return [{**_TABLES[table][0](place), "sha256": _SHA256} for place in _ACCOUNTS]
    return []


def insert_statement(table: str, values: Values) -> sql.Composed:
    """Return the statement that inserts a row of these values."""
    return sql.SQL("insert into {} ({}) overriding system value values ({})").format(
        relation(table),
        sql.SQL(", ").join(sql.Identifier(column) for column in values),
        sql.SQL(", ").join(sql.Literal(value) for value in values.values()),
    )


def relation(table: str) -> sql.Identifier:
    """Return a table's name for a statement."""
    return sql.Identifier(*table.split("."))
