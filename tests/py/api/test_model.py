"""Whatever one does, one after the other, the functions and a model of the old stores agree.

The clock is the test's: it stands still, leaps, and goes back. After each step all that the account
can see is compared, field by field, and the lists a page at a time.
"""

import copy
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias, TypeVar

import psycopg
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.py.api.invariants import broken
from tests.py.api.model import OldStores, Record, Refused, page_of
from tests.py.api.stage import Caller, Row, Stage, code_of

ROUNDS = 6
PLAYS = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=32,
    stateful_step_count=45,
    suppress_health_check=list(HealthCheck),
)

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NOT_THERE = "never there"
CLOCK = (
    "create or replace function app.clock() returns timestamptz language sql volatile as "
    "'select current_setting(''test.now'')::timestamptz'"
)

COLUMNS = {
    "threads": (
        "id sessionId mode title status messageCount lastMessagePreview lastMessageAt createdAt "
        "updatedAt"
    ),
    "messages": (
        "id sessionId threadId mode role content clientMessageId misalignmentId evidence "
        "contextEvents createdAt updatedAt"
    ),
    "tool_events": (
        "id sessionId threadId toolCallId toolName status arguments result error startedAt "
        "completedAt latencyMs contextEvents"
    ),
    "todos": "id sessionId text completed createdAt",
    "bindings": "sessionId assetPath rootDir updatedAt",
    "settings": "profileId settings updatedAt",
    "misalignments": (
        "id sessionId ruleId title summary severity status eventRange evidence createdAt updatedAt"
    ),
    "decisions": (
        "id sessionId source contentHash severity blocked rules message annotations createdAt"
    ),
}
"""The fields of the old records, by their JSON names."""

TABLES = {
    "threads": "app.chat_threads",
    "messages": "app.chat_messages",
    "tool_events": "app.chat_tool_events",
    "todos": "app.todos",
    "bindings": "app.session_repo_bindings",
    "settings": "app.ui_settings",
    "misalignments": "app.misalignments",
    "decisions": "app.hook_decisions",
}
ALL = " union all ".join(
    f"select '{kind}' as kind, to_jsonb(one) as entry from {table} as one"
    for kind, table in [*TABLES.items(), ("sessions", "app.sessions")]
)
"""All that an account can see."""
KEYS = {"bindings": "session_id", "settings": "profile_id"}
NULL_IF_ABSENT = {"tool_events": {"threadId", "toolCallId"}}
"""Fields that old records have as null where there is nothing."""


def column_of(name: str) -> str:
    """Return the column that a field is kept in."""
    if name == "text":
        return "body"
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def record_of(kind: str, row: Row) -> Record:
    """Return a row as the old stores have it."""
    found = {name: row[column_of(name)] for name in COLUMNS[kind].split()}
    kept = NULL_IF_ABSENT.get(kind, set())
    return {name: value for name, value in found.items() if value is not None or name in kept}


def decoded(row: Row) -> Row:
    """Return a row that came as JSON with its times as such."""
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value else value
        for name, value in row.items()
    }


def columns_of(record: Record) -> Record:
    """Return a record's fields by the names of columns, which are those of arguments."""
    return {column_of(name): value for name, value in record.items()}


def given(**fields: object) -> Record:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
contents = st.one_of(
    st.sampled_from(
        [
            "hello",
            "",
            "x" * 280,
            "x" * 281,
            "x" * 279 + "\U0001f600",
            "x" * 278 + "\U0001f600" + "y",
            "\U0001f600" * 140,
            "\U0001f600" * 141,
            "x" + "\U0001f600" * 200,
            "é" * 300,
            "👩‍👩‍👧‍👦" * 40,
        ]
    ),
    st.text(letters, max_size=8),
)
sessions = st.sampled_from(["session-a", "session-a", "session-b"])
modes = st.sampled_from(["session", "session", "general"])
maybe_modes = st.sampled_from([None, "session", "general"])
client_ids = st.sampled_from([None, None, "client-1", "client-2", "client-3"])
titles = st.sampled_from(
    [None, None, "mine", "Session Coach", "Session Coach #7", "General #2", "Session Coach #x", ""]
)
roles = st.sampled_from(["user", "user", "assistant", "system", "nobody"])
lists = st.sampled_from([None, None, [], [{"path": "a", "label": "ü"}]])
results = st.sampled_from([None, None, {"a": 1}, {"a": [None, 2.5]}])
errors = st.sampled_from([None, None, "it broke"])
texts = st.sampled_from(["do it", "do that", " ", ""])
severities = st.sampled_from(["info", "low", "medium", "high", "critical", "fatal"])
ticks = st.sampled_from([0, 0, 1, 7, 1000, 60_000, -30_000])
which = st.integers(0, 11)
_OF_THOSE_THERE = 10


WAYS = ["first", "newest", "after", "before"]
LISTS = ["threads", "messages", "tool_events", "messages", "todos", "misalignments", "decisions"]
FUNCTIONS = {
    ("messages", True): "list_messages",
    ("messages", False): "list_thread_messages",
    ("tool_events", False): "list_tool_events",
    ("todos", False): "list_todos",
    ("misalignments", False): "list_misalignments",
    ("decisions", False): "list_hook_decisions",
}

DEEDS: dict[str, st.SearchStrategy[Record]] = {}
"""What can be done, and how its arguments are drawn."""
OFTEN = ["append_message"] * 4 + ["change_thread", "update_message", "change_tool_event"] * 2
Method = TypeVar("Method", bound=Callable[..., None])


def deed(**arguments: st.SearchStrategy[Any]) -> Callable[[Method], Method]:
    """Let the decorated method be one of what can be done."""

    def keep(method: Method) -> Method:
        DEEDS[method.__name__] = st.fixed_dictionaries(arguments)
        return method

    return keep


def deeds() -> st.SearchStrategy[tuple[str, Record]]:
    """Draw what is done next. As rules, most of them would be left out of most plays."""
    names = st.sampled_from([*DEEDS, *OFTEN])
    return names.flatmap(lambda name: st.tuples(st.just(name), DEEDS[name]))


Seen: TypeAlias = Counter[tuple[str, str]]
"""How often a function came to what."""


class Play(RuleBasedStateMachine):
    """Does one thing after the other, in a database and in the model."""

    def __init__(self, stage: Stage, seen: Seen) -> None:
        super().__init__()
        self._seen = seen
        self._turn = 0
        self._stage = stage
        # Of this play alone, so that it begins with nothing.
        self._account = str(uuid.uuid4())
        stage.ask(
            "insert into app.accounts (id, name) values (%s, %s) returning id",
            self._account,
            self._account,
        )
        self._caller: Caller = stage.caller(self._account)
        self._old = OldStores(BEGAN)
        self._versions: dict[tuple[str, str], tuple[int, Row]] = {}

    def teardown(self) -> None:
        """Leave the connection to nobody."""
        self._caller.close()

    # Doing one thing in both

    def _tick(self, milliseconds: int) -> None:
        self._old.now += timedelta(milliseconds=milliseconds)
        self._caller.run(f"select set_config('test.now', '{self._old.now.isoformat()}', false)")

    def _both(
        self,
        kind: str,
        function: str,
        arguments: Record,
        of_the_model: Callable[[Row], Record],
    ) -> None:
        """Do it in the database, then in the model, which is told what ids were made; compare."""
        row, code = self._call(function, arguments)
        self._seen[function, code or "done"] += 1
        before = copy.deepcopy(self._old)
        verdict, wanted = None, None
        try:
            wanted = of_the_model(row or {"id": NOT_THERE, "thread_id": NOT_THERE})
        except Refused as refused:
            verdict = refused.code
        assert code == verdict, f"{function}: {code}, and the model {verdict or 'did it'}"
        if row is None:
            assert self._old == before
            return
        assert record_of(kind, row) == wanted

    def _id(self, kind: str, which: int | None) -> Any:  # noqa: ANN401 - none only for none
        """Return the id of a row that is there, of one that was, or of none."""
        if which is None:
            return None
        there = list(getattr(self._old, kind))
        gone = sorted(key for of, key in self._versions if of == kind and key not in there)
        if which < _OF_THOSE_THERE and there:
            return there[-1 - which % len(there)]
        return gone[0] if gone and which % 2 else NOT_THERE

    def _call(self, function: str, arguments: Record) -> tuple[Row | None, str | None]:
        try:
            return self._caller.one(function, **given(**arguments)), None
        except psycopg.Error as error:
            return None, code_of(error)

    @initialize()
    def begin(self) -> None:
        """Begin with a thread, so that the first steps have something to work on."""
        self._tick(0)
        self._open_thread("session-a", "session", None, new=False)

    # Threads

    @deed(session=sessions, mode=modes, title=titles, new=st.booleans(), tick=ticks)
    def open_thread(self, session: str, mode: str, title: str | None, new: bool, tick: int) -> None:
        """Ask for the active thread, or start a new one."""
        self._tick(tick)
        self._open_thread(session, mode, title, new=new)

    def _open_thread(self, session: str, mode: str, title: str | None, *, new: bool) -> None:
        if new:
            self._both(
                "threads",
                "start_thread",
                {"session_id": session, "mode": mode, "title": title},
                lambda made: self._old.start_thread(session, mode, title, made["id"]),
            )
        else:
            self._both(
                "threads",
                "get_active_thread",
                {"session_id": session, "mode": mode},
                lambda made: self._old.active_thread(session, mode, made["id"]),
            )

    @deed(
        which=which,
        function=st.sampled_from(
            [
                "activate_thread",
                "activate_thread",
                "rename_thread",
                "archive_thread",
                "remove_thread",
                "delete_thread_messages",
            ]
        ),
        title=titles.filter(bool),
        tick=ticks,
    )
    def change_thread(self, which: int, function: str, title: str, tick: int) -> None:
        """Change a thread in one of the ways there are."""
        thread = self._id("threads", which)
        self._tick(tick)
        more = {"title": title} if function == "rename_thread" else {}
        self._both(
            "threads",
            function,
            {"thread_id": thread, **more},
            lambda _: getattr(self._old, function)(thread, **more),
        )

    @deed(session=sessions, mode=maybe_modes, tick=ticks)
    def clear_threads(self, session: str, mode: str | None, tick: int) -> None:
        """Remove all threads of a session, or of a mode."""
        self._tick(tick)
        rows = self._caller.call("clear_threads", **given(session_id=session, mode=mode))
        wanted = {thread["id"]: thread for thread in self._old.clear_threads(session, mode)}
        assert {row["id"]: record_of("threads", row) for row in rows} == wanted
        self._seen["clear_threads", "some" if rows else "none"] += 1

    # Messages

    @deed(
        session=sessions,
        mode=maybe_modes,
        which=st.none() | which,
        content=contents,
        role=roles,
        client_id=client_ids,
        evidence=lists,
        events=lists,
        there=st.sampled_from([True, True, False]),
        tick=ticks,
    )
    def append_message(  # noqa: PLR0913, PLR0917 - its fields
        self,
        session: str,
        mode: str | None,
        which: int | None,
        content: str,
        role: str,
        client_id: str | None,
        evidence: list[Any] | None,
        events: list[Any] | None,
        there: bool,
        tick: int,
    ) -> None:
        """Append a message to the active thread or to a named one, which may be elsewhere."""
        thread = self._id("threads", which)
        known = self._old.threads.get(thread or "")
        if known and there:
            session, mode = known["sessionId"], None
        self._tick(tick)
        if role == "nobody":
            # Whether it is refused or known is a question of what is looked at first.
            client_id = None
        wanted = given(
            sessionId=session,
            mode=mode,
            content=content,
            role=role,
            clientMessageId=client_id,
            evidence=evidence,
            contextEvents=events,
        )
        self._both(
            "messages",
            "append_message",
            {**columns_of(wanted), "thread_id": thread},
            lambda made: self._old.append_message(wanted, thread, made["id"], made["thread_id"]),
        )

    @deed(
        which=which,
        content=st.none() | contents,
        evidence=lists,
        tick=ticks,
    )
    def update_message(
        self, which: int, content: str | None, evidence: list[Any] | None, tick: int
    ) -> None:
        """Change a message."""
        message = self._id("messages", which)
        self._tick(tick)
        changes = given(content=content, evidence=evidence)
        self._both(
            "messages",
            "update_message",
            {"message_id": message, **changes},
            lambda _: self._old.update_message(message, **changes),
        )

    # Tool events

    @deed(
        session=sessions,
        which=st.none() | which,
        status=st.sampled_from(["pending", "pending", "executing", "succeeded"]),
        call_id=st.sampled_from([None, "call-1"]),
        arguments=results,
        there=st.sampled_from([True, True, False]),
        tick=ticks,
    )
    def start_tool_event(  # noqa: PLR0913, PLR0917 - its fields
        self,
        session: str,
        which: int | None,
        status: str,
        call_id: str | None,
        arguments: Record | None,
        there: bool,
        tick: int,
    ) -> None:
        """Start a tool event, in a thread or in none."""
        thread = self._id("threads", which)
        known = self._old.threads.get(thread or "")
        if known and there:
            session = known["sessionId"]
        self._tick(tick)
        wanted = {
            **given(sessionId=session, toolName="search", status=status, arguments=arguments),
            "threadId": thread,
            "toolCallId": call_id,
        }
        self._both(
            "tool_events",
            "start_tool_event",
            columns_of(wanted),
            lambda made: self._old.start_tool_event(wanted, made["id"]),
        )

    @deed(
        which=which,
        status=st.sampled_from([None, None, "succeeded", "succeeded", "failed", "executing"]),
        result=results,
        error=errors,
        tick=ticks,
    )
    def change_tool_event(
        self, which: int, status: str | None, result: Record | None, error: str | None, tick: int
    ) -> None:
        """Report progress, or the end if there is a status."""
        event = self._id("tool_events", which)
        self._tick(tick)
        if status is None:
            self._both(
                "tool_events",
                "progress_tool_event",
                {"tool_event_id": event, "result": result},
                lambda _: self._old.progress_tool_event(event, **given(result=result)),
            )
            return
        changes = given(status=status, result=result, error=error)
        self._both(
            "tool_events",
            "finish_tool_event",
            {"tool_event_id": event, **changes},
            lambda _: self._old.finish_tool_event(event, **changes),
        )

    # Todos

    @deed(session=st.none() | sessions, text=texts, tick=ticks)
    def add_todo(self, session: str | None, text: str, tick: int) -> None:
        """Add a todo of a session, or of none."""
        self._tick(tick)
        self._both(
            "todos",
            "add_todo",
            {"session_id": session, "body": text},
            lambda made: self._old.add_todo(session, text, made["id"]),
        )

    @deed(
        which=which,
        text=st.none() | texts,
        completed=st.sampled_from([None, True, False]),
        gone=st.sampled_from([False, False, True]),
        tick=ticks,
    )
    def change_todo(
        self, which: int, text: str | None, completed: bool | None, gone: bool, tick: int
    ) -> None:
        """Change a todo, or remove it."""
        todo = self._id("todos", which)
        self._tick(tick)
        if gone:
            self._both(
                "todos", "remove_todo", {"todo_id": todo}, lambda _: self._old.remove_todo(todo)
            )
            return
        self._both(
            "todos",
            "update_todo",
            {"todo_id": todo, **given(body=text, completed=completed)},
            lambda _: self._old.update_todo(todo, **given(text=text, completed=completed)),
        )

    # Bindings and settings

    @deed(session=sessions, folder=st.sampled_from(["/a", "/b", None]), tick=ticks)
    def bind_or_unbind_repo(self, session: str, folder: str | None, tick: int) -> None:
        """Bind a session to a folder, or unbind it."""
        self._tick(tick)
        if folder is None:
            self._both(
                "bindings",
                "unbind_repo",
                {"session_id": session},
                lambda _: self._old.unbind_repo(session),
            )
            return
        self._both(
            "bindings",
            "bind_repo",
            {"session_id": session, "asset_path": "log", "root_dir": folder},
            lambda _: self._old.bind_repo(session, "log", folder),
        )

    @deed(
        profile=st.sampled_from(["p", "q"]),
        chosen=st.sampled_from([{}, {"dark": True}, {"a": {"b": [1]}}, [1], None, None, None]),
        tick=ticks,
    )
    def save_or_remove_ui_settings(self, profile: str, chosen: object, tick: int) -> None:
        """Save the settings of a profile, or remove them."""
        self._tick(tick)
        if chosen is None:
            self._both(
                "settings",
                "remove_ui_settings",
                {"profile_id": profile},
                lambda _: self._old.remove_settings(profile),
            )
            return
        self._both(
            "settings",
            "save_ui_settings",
            {"profile_id": profile, "settings": chosen},
            lambda _: self._old.save_settings(profile, chosen),
        )

    # Misalignments and hook decisions

    @deed(session=sessions, severity=severities, found=results, tick=ticks)
    def report_misalignment(
        self, session: str, severity: str, found: Record | None, tick: int
    ) -> None:
        """Report a misalignment."""
        self._tick(tick)
        wanted = given(
            sessionId=session,
            ruleId="rule",
            title="title",
            summary="summary",
            severity=severity,
            eventRange=found,
            evidence=[{"path": "a"}],
        )
        self._both(
            "misalignments",
            "report_misalignment",
            columns_of(wanted),
            lambda made: self._old.report_misalignment(wanted, made["id"]),
        )

    @deed(
        which=which,
        status=st.sampled_from(["open", "acknowledged", "dismissed", "closed"]),
        tick=ticks,
    )
    def move_misalignment(self, which: int, status: str, tick: int) -> None:
        """Move a misalignment, where that is allowed."""
        misalignment = self._id("misalignments", which)
        self._tick(tick)
        self._both(
            "misalignments",
            "move_misalignment",
            {"misalignment_id": misalignment, "status": status},
            lambda _: self._old.move_misalignment(misalignment, status),
        )

    @deed(session=sessions, severity=severities, notes=results, tick=ticks)
    def record_hook_decision(
        self, session: str, severity: str, notes: Record | None, tick: int
    ) -> None:
        """Record a hook decision."""
        self._tick(tick)
        wanted = given(
            sessionId=session,
            source="hook",
            contentHash="hash",
            severity=severity,
            blocked=True,
            rules=[],
            annotations=notes,
        )
        self._both(
            "decisions",
            "record_hook_decision",
            columns_of(wanted),
            lambda made: self._old.record_decision(wanted, made["id"]),
        )

    # Lists, a page at a time: one after each step, each in its turn

    @invariant()
    def a_list_is_the_same(self) -> None:
        """Read a page of a list, or of a part of it."""
        self._turn += 1
        turn, session = self._turn // len(LISTS), ("session-a", "session-b")[self._turn % 5 == 0]
        size, way, at = (1, 2, 3, 100)[turn % 4], WAYS[self._turn % 4], turn
        kind = LISTS[self._turn % len(LISTS)]
        threads = [None, *self._old.threads]
        thread = threads[-1 - turn % len(threads)]
        completed = (None, True, False)[turn % 3]
        place: Record = {"session_id": session}
        if kind == "threads":
            self._list_threads(session, (None, "session", "general")[turn % 3], size, turn % 2 == 0)
            return
        if kind == "messages" and thread is None:
            return
        if kind == "messages":
            wanted = self._old.list_messages(None, None, thread)
            known, place = self._old.threads[thread or ""], {"thread_id": thread}
            if turn // 4 % 2:
                place |= {"session_id": known["sessionId"], "mode": known["mode"]}
        elif kind == "tool_events":
            place["thread_id"] = thread
            wanted = self._old.list_tool_events(session, thread)
        elif kind == "todos":
            place = {"session_id": session if turn // 4 % 2 else None, "completed": completed}
            wanted = self._old.list_todos(place["session_id"], completed)
        elif kind == "misalignments":
            place["status"] = (None, "open", "dismissed")[turn % 3]
            wanted = self._old.list_misalignments(session, place["status"])
        else:
            wanted = self._old.list_decisions(session)
        self._compare_page(kind, FUNCTIONS[kind, "mode" in place], place, wanted, size, way, at)

    def _list_threads(self, session: str, mode: str | None, size: int, active: bool) -> None:
        """Page through the threads of a session."""
        status = "active" if active else None
        rows: list[Row] = []
        while True:
            arguments = given(session_id=session, mode=mode, status=status, page_size=size)
            after = {"after": rows[-1]["cursor"]} if rows else {}
            page = self._caller.call("list_threads", **arguments, **after)
            rows += page
            if len(page) < size:
                break
        wanted = self._old.list_threads(session, mode, status)
        assert [record_of("threads", row) for row in rows] == wanted
        self._seen["list_threads", "several" if len(rows) > 1 else "few"] += 1

    def _compare_page(  # noqa: PLR0913, PLR0917 - a list, and how it is paged
        self,
        kind: str,
        function: str,
        place: Record,
        wanted: list[Record],
        size: int,
        way: str,
        at: int,
    ) -> None:
        cursor: Record = {"newest": True} if way == "newest" else {}
        place_of_it = None
        if wanted and way in {"after", "before"}:
            place_of_it = at % len(wanted)
            cursor = {f"{way}_id": wanted[place_of_it]["id"]}
        rows = self._caller.call(function, **given(**place, page_size=size), **cursor)
        page = page_of(
            wanted,
            size,
            after=place_of_it if way == "after" else None,
            before=place_of_it if way == "before" else None,
            newest=way == "newest",
        )
        assert [record_of(kind, row) for row in rows] == page
        self._seen[function, way if wanted else "empty"] += 1

    # Any of them, again and again

    @rule(deed=st.deferred(deeds))
    def do(self, deed: tuple[str, Record]) -> None:
        """Do one of what can be done."""
        name, arguments = deed
        getattr(self, name)(**arguments)

    @invariant()
    def all_that_can_be_seen_is_the_same(self) -> None:
        """Compare every row, and see to it that rows that differ are of another version."""
        found: dict[str, dict[str, Record]] = {kind: {} for kind in TABLES}
        sessions: set[str] = set()
        for seen in self._caller.rows(ALL):
            kind, row = seen["kind"], decoded(seen["entry"])
            if kind == "sessions":
                sessions.add(row["id"])
                continue
            key = row[KEYS.get(kind, "id")]
            found[kind][key] = record_of(kind, row)
            self._compare_version(kind, key, row)
        for kind, records in found.items():
            assert records == getattr(self._old, kind), kind
        assert sessions == self._old.sessions

    def _compare_version(self, kind: str, key: str, row: Row) -> None:
        """Compare a row with what it was before: it is the same, or of a higher version."""
        version, before = self._versions.get((kind, key), (0, {}))
        assert row["row_version"] > version or row == before or row["row_version"] == 1, kind
        if before.get("created_at") == row["created_at"]:
            assert row.get("updated_at") is None or row["updated_at"] >= before["updated_at"]
        self._versions[kind, key] = (row["row_version"], row)


WANTED = {
    "done": (
        "get_active_thread start_thread activate_thread rename_thread archive_thread remove_thread "
        "delete_thread_messages append_message update_message start_tool_event "
        "progress_tool_event finish_tool_event add_todo update_todo remove_todo bind_repo "
        "unbind_repo save_ui_settings remove_ui_settings report_misalignment move_misalignment "
        "record_hook_decision"
    ),
    "SB404": (
        "activate_thread rename_thread archive_thread remove_thread delete_thread_messages "
        "append_message update_message start_tool_event progress_tool_event finish_tool_event "
        "update_todo remove_todo unbind_repo remove_ui_settings move_misalignment"
    ),
    "SB422": "progress_tool_event finish_tool_event move_misalignment",
    "22023": "append_message start_tool_event finish_tool_event",
    "23514": (
        "append_message add_todo update_todo save_ui_settings report_misalignment "
        "record_hook_decision"
    ),
    "some": "clear_threads",
    "none": "clear_threads",
    "several": "list_threads",
}
PAGED = "list_messages list_thread_messages"
WANTED |= dict.fromkeys(("first", "newest", "after", "before"), PAGED)
"""What must come of functions at least once."""


def left_out(seen: Seen) -> list[str]:
    """Return what no step came to."""
    return [
        f"{function} {came}"
        for came, functions in WANTED.items()
        for function in functions.split()
        if not seen[function, came]
    ]


def test_the_functions_do_what_the_old_stores_did(stage: Stage) -> None:
    stage.do(CLOCK)
    seen: Seen = Counter()
    # Typed as wanting a class, it takes whatever makes one.
    play: Any = partial(Play, stage, seen)
    # What is drawn depends on the constants of the modules that other tests have loaded, so a round
    # may leave something out.
    for number in range(ROUNDS):
        run_state_machine_as_test(seed(number)(play), settings=PLAYS)
        assert broken(stage) == {}
        if not left_out(seen):
            break
    assert left_out(seen) == []
