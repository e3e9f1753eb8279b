"""The page itself: by keyboard, on a phone, in the dark, for a screen reader; what it may do."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from harness.node import install_packages
from harness.settings import PROJECT, Settings
from tests.py.viewer.stage import FIRST, LOG_SESSION, SESSION, Stage
from tests.py.viewer.windows import (
    DESKTOP,
    PHONE,
    Scheme,
    Windows,
    expect_state,
    message,
    open_chat,
    open_session,
    write,
)

_MANY = 2_000
_SLOW_MS = 1_500
_LARGEST_PICTURE = 200_000
_TALK = (
    ("user", "Checkout takes two seconds since Monday. Which query is it?"),
    (
        "assistant",
        """The one that counts open orders: it reads all of them, for want of an index.

create index on orders (customer_id, status);""",
    ),
    ("user", "Can that be made while people buy?"),
    ("assistant", "Yes, concurrently: then nobody waits for it."),
)
_FILL = """
    insert into app.chat_messages (account_id, session_id, thread_id, mode, role, content)
    select %s, %s, %s, 'session', 'user', number || repeat(' and some more words', 10)
    from generate_series(1, %s) as number
"""
_NEWER_SESSIONS = """
    insert into app.sessions (account_id, id, created_at, updated_at)
    select %s, 'newer-' || number, now(), now() + number * interval '1 second'
    from generate_series(1, 150) as number
"""
_THREADS = 30
_AXE = """
    async () => (await axe.run(document, {resultTypes: ['violations']})).violations
        .map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(' ')}`)
"""


def test_the_keyboard_alone_is_enough(stage: Stage, windows: Windows) -> None:
    page = windows.of(stage.owner).new_page()
    page.goto("/")
    _tab_to(page, "Sign in")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=SESSION)).to_be_visible()
    _tab_to(page, SESSION)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=SESSION)).to_be_focused()
    expect(message(page, FIRST)).to_be_visible()
    _tab_to(page, "Message")
    page.keyboard.type("By hand")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("on two lines")
    page.keyboard.press("Enter")
    expect(message(page, "By hand\non two lines")).to_have_attribute("data-way", "there")
    # One goes on writing where one is.
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    expect(page.get_by_label("Message", exact=True)).to_have_value("")
    _tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("You are signed out.")


def test_messages_scroll_by_the_keyboard(stage: Stage, windows: Windows) -> None:
    page = windows.signed_in(stage.owner)
    open_chat(page, stage.owner)
    for number in range(30):
        stage.say(f"line {number}")
    last = message(page, "line 29")
    # It stays at its bottom while messages come.
    expect(last).to_be_in_viewport()
    page.get_by_role("region", name="Messages").focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
        page.wait_for_timeout(200)
    expect(last).not_to_be_in_viewport()


def test_a_phone_shows_one_column_and_a_way_back(stage: Stage, windows: Windows) -> None:
    page = windows.signed_in(stage.owner, PHONE)
    sessions = page.get_by_role("navigation", name="Sessions")
    expect(sessions).to_be_visible()
    windows.keep(page, "list")
    _expect_fits(page)
    sessions.get_by_role("link", name=SESSION).click()
    expect(message(page, FIRST)).to_be_visible()
    expect(sessions).to_be_hidden()
    expect(page.get_by_role("button", name="Send")).to_be_in_viewport()
    windows.keep(page, "session")
    for view in ("Tool events", "Todos", "Timeline", "Uploads"):
        page.get_by_role("link", name=view).click()
        _expect_fits(page)
    page.get_by_role("link", name="All sessions").click()
    expect(sessions).to_be_visible()
    expect(page.get_by_role("heading", name=SESSION)).to_be_hidden()


def test_it_is_dark_where_the_device_is(stage: Stage, windows: Windows) -> None:
    shades = {}
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        page = windows.signed_in(stage.owner, scheme=scheme)
        open_chat(page, stage.owner)
        shades[scheme] = [_lightness(page, name) for name in ("backgroundColor", "color")]
        windows.keep(page, scheme)
    (light_page, light_text), (dark_page, dark_text) = shades["light"], shades["dark"]
    assert light_page > light_text
    assert dark_page < dark_text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(
    stage: Stage, windows: Windows, settings: Settings, scheme: Scheme, size: ViewportSize
) -> None:
    page = windows.of(stage.owner, size, scheme).new_page()
    page.add_init_script(path=_axe(settings))
    page.goto("/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.evaluate(_AXE) == []
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name=SESSION)).to_be_visible()
    assert page.evaluate(_AXE) == []
    open_chat(page, stage.owner)
    assert page.evaluate(_AXE) == []
    for view, text in (("tools", "read_file"), ("todos", "Look at the plan")):
        open_session(page, stage.owner, view=view)
        expect(page.get_by_text(text)).to_be_visible()
        assert page.evaluate(_AXE) == []
    for view, text in (("timeline", "function_call: shell"), ("uploads", "rollout.jsonl")):
        open_session(page, stage.owner, LOG_SESSION, view)
        expect(page.get_by_role("heading", name=text)).to_be_visible()
        assert page.evaluate(_AXE) == []
    # It would have found something.
    page.evaluate("document.body.append(document.createElement('button'))")
    (found,) = page.evaluate(_AXE)
    assert found.startswith("button-name")


def test_what_is_in_rows_is_shown_and_never_run(stage: Stage, windows: Windows) -> None:
    page = windows.signed_in(stage.owner)
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    open_chat(page, stage.owner)
    text = "<img src=x onerror=alert(1)><script>alert(2)</script> [a](javascript:alert(3))"
    stage.say(text)
    expect(message(page, text)).to_be_visible()
    assert page.locator(".content img, .content script, .content a").count() == 0
    open_session(page, stage.owner, LOG_SESSION, "timeline")
    expect(page.get_by_text("Why is <b>this</b> query slow?")).to_be_visible()
    windows.keep(page, "timeline")
    assert dialogs == []


def test_the_policy_holds_and_its_breach_is_noticed(stage: Stage, windows: Windows) -> None:
    """So the other tests, which fail where something was forbidden or asked elsewhere, can fail."""
    page = windows.signed_in(stage.owner)
    assert windows.forbidden == []
    with pytest.raises(Exception, match=r"TrustedScript|Trusted Type"):
        page.evaluate("document.createElement('script').text = 'document.title = 1'")
    page.evaluate("fetch('https://elsewhere.example/').catch(() => undefined)")
    page.evaluate("new Image().src = 'https://elsewhere.example/x.png'")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    kinds = {"require-trusted-types-for", "connect-src", "img-src", "style-src-attr"}
    for _ in range(50):
        if {text.split()[1] for text in windows.forbidden} == kinds:
            break
        page.wait_for_timeout(100)
    assert {text.split()[1] for text in windows.forbidden} == kinds
    assert "elsewhere.example" in windows.hosts
    windows.forbidden.clear()
    windows.hosts.clear()


def test_thousands_of_messages_do_not_stop_the_page(stage: Stage, windows: Windows) -> None:
    thread = stage.call(stage.owner, "start_thread", session_id=SESSION, title="Long")
    with stage.writer.transaction():
        # As an import does: no trigger counts them one by one.
        stage.writer.execute("set local session_replication_role = replica")
        stage.writer.execute(_FILL.encode(), [stage.owner.account_id, SESSION, thread["id"], _MANY])
    page = windows.signed_in(stage.owner)
    page.evaluate(
        "window.blocked = []; new PerformanceObserver((list) => blocked.push(...list.getEntries()"
        ".map(({duration}) => duration))).observe({type: 'longtask'})"
    )
    try:
        page.get_by_role("link", name=SESSION).click()
        expect(page.locator(".message")).to_have_count(300, timeout=20_000)
        newest = page.locator(".message").last
        expect(newest).to_be_in_viewport()
        opening = page.evaluate("blocked.splice(0)")
        write(page, "Is anybody there?")
        expect(message(page, "Is anybody there?")).to_have_attribute("data-way", "there")
        writing = page.evaluate("blocked.splice(0)")
        # Those before come when they are asked for, and what one reads stays where it is.
        page.get_by_role("button", name="Earlier messages").focus()
        before = page.get_by_role("region", name="Messages").evaluate("each => each.scrollTop")
        page.keyboard.press("Enter")
        expect(page.locator(".message")).to_have_count(600)
        after = page.get_by_role("region", name="Messages").evaluate("each => each.scrollTop")
        assert after == before
        print(json.dumps({"opening": opening, "writing": writing}))  # noqa: T201
        assert max(opening, default=0) < _SLOW_MS
        assert max(writing, default=0) < _SLOW_MS
    finally:
        stage.call(stage.owner, "activate_thread", thread_id=stage.thread_id)


def test_a_session_of_a_later_page_opens_and_stays(stage: Stage, windows: Windows) -> None:
    """The list comes by hundreds; what is open may be behind, and move there while it is open."""
    page = windows.signed_in(stage.reader)
    open_chat(page, stage.owner)
    links = page.get_by_role("navigation", name="Sessions").get_by_role("link")
    expect(links).to_have_count(1)
    stage.writer.execute(_NEWER_SESSIONS.encode(), [stage.reader.account_id])
    with page.expect_response("**/v1/sessions?after=*"):
        page.clock.fast_forward(10_000)
    expect(links).to_have_count(151)
    expect(message(page, FIRST)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)

    other = windows.signed_in(stage.reader)
    listed = other.get_by_role("navigation", name="Sessions").get_by_role("link")
    expect(listed).to_have_count(100)
    open_chat(other, stage.owner)
    expect(listed.filter(has_text=SESSION)).to_be_in_viewport()
    open_session(other, stage.owner, "nowhere")
    expect(other.get_by_role("alert")).to_contain_text("There is no such session")


def test_many_threads_leave_room_and_move_nobody(stage: Stage, windows: Windows) -> None:
    page = windows.signed_in(stage.owner, PHONE)
    open_chat(page, stage.owner)
    draft = page.get_by_label("Message", exact=True)
    draft.fill("Half a senten")
    try:
        for number in range(_THREADS):
            title = f"{number}: a title that is longer than a telephone is wide"
            stage.call(stage.owner, "start_thread", session_id=SESSION, title=title)
        threads = page.get_by_role("navigation", name="Threads").get_by_role("link")
        newest = threads.filter(has_text=f"{_THREADS - 1}: ")
        expect(newest).to_have_count(1)
        # Who writes stays where they are, though another thread is the active one now.
        expect(draft).to_have_value("Half a senten")
        expect(page.locator(".message").last).to_be_in_viewport()
        _expect_fits(page)
        windows.keep(page, "many-threads")
        newest.click()
        expect(page.get_by_text("No messages yet.")).to_be_visible()
    finally:
        stage.call(stage.owner, "activate_thread", thread_id=stage.thread_id)


def test_files_are_stored_and_shown_to_whose_they_are(
    stage: Stage, windows: Windows, tmp_path: Path
) -> None:
    page = windows.signed_in(stage.owner)
    open_session(page, stage.owner, view="uploads")
    file = tmp_path / "notes.txt"
    file.write_text("first line\n<i>second</i> line\n")
    page.get_by_label("Add a file").set_input_files(file)
    expect(page.get_by_text("notes.txt is stored.")).to_be_visible()
    page.get_by_role("button", name="Show notes.txt").click()
    expect(page.get_by_text("<i>second</i> line")).to_be_visible()
    expect(page.get_by_role("heading", name="notes.txt").last).to_be_focused()
    windows.keep(page, "shown")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download notes.txt").click()
    assert download.value.path().read_bytes() == file.read_bytes()

    member = windows.signed_in(stage.editor)
    open_session(member, stage.owner, view="uploads")
    expect(member.get_by_role("heading", name="notes.txt")).to_be_visible()
    expect(member.get_by_role("button", name="Show notes.txt")).to_have_count(0)


def test_tools_and_todos_are_followed(stage: Stage, windows: Windows) -> None:
    page, other = windows.signed_in(stage.owner), windows.signed_in(stage.editor)
    open_session(page, stage.owner, view="tools")
    expect(page.get_by_text("succeeded")).to_be_visible()
    stage.call(stage.owner, "start_tool_event", session_id=SESSION, tool_name="run_tests")
    expect(page.get_by_role("heading", name="run_tests")).to_be_visible()
    for each in (page, other):
        open_session(each, stage.owner, view="todos")
        expect(each.get_by_label("Look at the plan")).not_to_be_checked()
        expect_state(each, "Live")
    other.get_by_label("Look at the plan").check()
    expect(page.get_by_label("Look at the plan")).to_be_checked()


def test_a_picture_of_the_viewer(stage: Stage, windows: Windows) -> None:
    """The one that README and examples/viewer/README.md show: with SESSIONBASE_SCREENSHOTS=docs."""
    for name in ("Checkout is slow", "Import of April", "Notes"):
        stage.call(stage.owner, "open_session", session_id=name)
    session = "Checkout is slow"
    for title in ("Indexes", "Which query?"):
        thread = stage.call(stage.owner, "start_thread", session_id=session, title=title)
    given = {"session_id": session, "thread_id": thread["id"]}
    for role, content in _TALK:
        stage.say(content, role=role, **given)
    page = windows.signed_in(stage.owner, {"width": 1180, "height": 800})
    open_session(page, stage.owner, session)
    write(page, "Good. Let us see it by its plan.")
    expect(message(page, "Good. Let us see it by its plan.")).to_have_attribute("data-way", "there")
    expect_state(page, "Live")
    page.get_by_role("heading", name=session).focus()
    picture = windows.keep(page, "viewer", whole_name=True)
    assert picture.stat().st_size <= _LARGEST_PICTURE


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus: a reader's name of it begins with this."""
    called = "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
    passed = []
    for _ in range(40):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(called))
        if passed[-1].startswith(name):
            return
    raise AssertionError(f"Tab does not reach {name!r}, only {passed}")


def _expect_fits(page: Page) -> None:
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]


def _lightness(page: Page, name: str) -> int:
    """Add up a colour's parts."""
    colour = page.evaluate(f"getComputedStyle(document.body).{name}.match(/\\d+/g).map(Number)")
    return sum(colour[:3])


def _axe(settings: Settings) -> Path:
    packages = install_packages(PROJECT / "examples" / "viewer", settings, print)
    return packages / "axe-core" / "axe.min.js"
