"""Windows in sync: what is written in one is seen in the others, by whom it is for."""

import re

from playwright.sync_api import Page, Route, expect

from tests.py.viewer.stage import FIRST, SESSION, Stage
from tests.py.viewer.windows import Windows, expect_state, message, open_chat, open_session, write


def test_what_is_typed_in_one_window_is_seen_in_the_other(stage: Stage, windows: Windows) -> None:
    mine, theirs = windows.signed_in(stage.owner), windows.signed_in(stage.editor)
    for page in (mine, theirs):
        open_chat(page, stage.owner)
    write(mine, "The one with\nthe join?")
    expect(message(theirs, "The one with\nthe join?")).to_be_visible()
    write(theirs, "Yes, that one.")
    arrived = message(mine, "Yes, that one.")
    expect(arrived).to_have_attribute("data-mine", "false")
    expect(mine.get_by_role("log")).to_have_text("User: Yes, that one.")
    expect(message(theirs, "Yes, that one.")).to_have_attribute("data-mine", "true")
    windows.keep(mine, "owner")
    windows.keep(theirs, "editor")


def test_a_message_is_shown_at_once_and_settles_when_it_has_come_round(
    stage: Stage, windows: Windows
) -> None:
    page = windows.signed_in(stage.owner)
    open_chat(page, stage.owner)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/rpc/append_message", hold)
    write(page, "Is it there already?")
    sent = message(page, "Is it there already?")
    expect(sent).to_have_attribute("data-way", "sending")
    expect(sent).to_contain_text("Sending…")
    assert stage.count("Is it there already?") == 0
    expect(page.get_by_label("Message", exact=True)).to_have_value("")
    windows.keep(page, "sending")
    # The answer has the transaction, which then comes by sync; until both did, it is on its way.
    held[0].continue_()
    expect(sent).to_have_attribute("data-way", "there")
    expect(sent).to_have_count(1)
    assert stage.count("Is it there already?") == 1


def test_an_answer_alone_does_not_settle_a_message(stage: Stage, windows: Windows) -> None:
    """It is on its way until its transaction was seen, not until the server said it was done."""
    page = windows.signed_in(stage.owner)
    open_chat(page, stage.owner)
    page.route("**/v1/shape?**", lambda _: None)
    stage.say("lets the poll that is held go")
    write(page, "Written, and not yet back")
    sent = message(page, "Written, and not yet back")
    with page.expect_response("**/rpc/append_message"):
        pass
    assert stage.count("Written, and not yet back") == 1
    expect(sent).to_have_attribute("data-way", "sending")


def test_a_message_that_is_refused_goes_and_its_text_comes_back(
    stage: Stage, windows: Windows
) -> None:
    page = windows.signed_in(stage.editor)
    open_chat(page, stage.owner)
    given = {
        "session_id": SESSION,
        "member_account_id": stage.editor.account_id,
    }
    stage.call(stage.owner, "share_session", **given, role="viewer")
    try:
        write(page, "Am I still an editor?")
        expect(page.get_by_role("alert")).to_contain_text("This was not sent.")
        expect(message(page, "Am I still an editor?")).to_have_count(0)
        expect(page.get_by_label("Message", exact=True)).to_have_value("Am I still an editor?")
        assert stage.count("Am I still an editor?") == 0
        windows.keep(page, "refused")
    finally:
        stage.call(stage.owner, "share_session", **given, role="editor")


def test_a_member_sees_a_session_and_a_stranger_does_not(stage: Stage, windows: Windows) -> None:
    stage.say("Only for who is a member")
    reader = windows.signed_in(stage.reader)
    reader.get_by_role("link", name=SESSION).click()
    expect(message(reader, "Only for who is a member")).to_be_visible()
    expect(reader.get_by_label("Message", exact=True)).to_have_count(0)
    expect(reader.get_by_text("You may read this session, and not write to it.")).to_be_visible()

    stranger = windows.signed_in(stage.stranger)
    expect(stranger.get_by_role("link", name="session-of-a-stranger")).to_be_visible()
    expect(stranger.get_by_role("link", name=SESSION)).to_have_count(0)
    open_session(stranger, stage.owner)
    expect(stranger.get_by_role("alert")).to_contain_text("There is no such session")
    assert stage.count("Only for who is a member") == 1
    assert "Only for who is a member" not in stranger.content()


def test_a_session_that_is_no_longer_shared_goes(stage: Stage, windows: Windows) -> None:
    page = windows.signed_in(stage.reader)
    open_chat(page, stage.owner)
    given = {"session_id": SESSION, "member_account_id": stage.reader.account_id}
    stage.call(stage.owner, "unshare_session", **given)
    try:
        expect(page.get_by_role("alert").first).to_contain_text(
            re.compile("may not see this|no such session")
        )
        expect(message(page, FIRST)).to_have_count(0)
        assert stage.count(FIRST) == 1
    finally:
        stage.call(stage.owner, "share_session", **given, role="viewer")


def test_a_gatekeeper_that_dies_and_comes_back_is_survived(stage: Stage, windows: Windows) -> None:
    page = windows.signed_in(stage.owner)
    open_chat(page, stage.owner)
    stage.kill()
    expect_state(page, "Reconnecting…")
    expect(page).to_have_title("Sessions (reconnecting)")
    # What was there stays to be read, and what is written meanwhile waits.
    expect(message(page, FIRST)).to_be_visible()
    write(page, "Written while nobody was there")
    sent = message(page, "Written while nobody was there")
    expect(sent).to_have_attribute("data-way", "sending")
    stage.say("Said while nobody was there")
    windows.keep(page, "reconnecting")
    stage.start()
    expect_state(page, "Live")
    expect(message(page, "Said while nobody was there")).to_be_visible()
    expect(sent).to_have_attribute("data-way", "there", timeout=20_000)
    stage.say("And on it goes")
    expect(message(page, "And on it goes")).to_be_visible()
    assert stage.count("Written while nobody was there") == 1


def test_signing_out_empties_and_stops_the_other_window(stage: Stage, windows: Windows) -> None:
    one = windows.signed_in(stage.owner)
    other = windows.beside(one)
    for page in (one, other):
        open_chat(page, stage.owner)
    elsewhere = windows.signed_in(stage.owner)
    open_chat(elsewhere, stage.owner)

    one.get_by_role("button", name="Sign out", exact=True).click()
    _expect_empty(one, "You are signed out.")
    _expect_empty(other, "You were signed out.")
    assert one.context.cookies() == []
    assert _asks_in_a_minute(other) == []
    # Another login session of the same account goes on.
    stage.say("To who is still there")
    expect(message(elsewhere, "To who is still there")).to_be_visible()
    assert _asks_in_a_minute(elsewhere) != []
    assert stage.count(FIRST) == 1


def test_signing_out_everywhere_reaches_another_browser(stage: Stage, windows: Windows) -> None:
    one, other = windows.signed_in(stage.owner), windows.signed_in(stage.owner)
    for page in (one, other):
        open_chat(page, stage.owner)
    windows.keep(one, "before")
    one.get_by_role("button", name="Sign out everywhere").click()
    _expect_empty(one, "You are signed out everywhere.")
    _expect_empty(other, "You were signed out.")
    windows.keep(other, "after")
    assert _asks_in_a_minute(other) == []
    # And in again, from the page that said so.
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("link", name=SESSION)).to_be_visible()


def test_the_cookie_is_one_that_no_script_reads(stage: Stage, windows: Windows) -> None:
    page = windows.signed_in(stage.owner)
    (cookie,) = page.context.cookies()
    assert cookie["name"] == "__Host-sessionbase"
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert (cookie["path"], cookie["domain"]) == ("/", "127.0.0.1")
    assert page.evaluate("document.cookie") == ""
    # Nor is the token anywhere that it came with.
    assert "id_token" not in page.url
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, history.length])")
    assert "eyJ" not in kept


def test_a_browser_that_keeps_no_cookie_is_told_so(stage: Stage, windows: Windows) -> None:
    page = windows.of(stage.owner).new_page()

    def without_cookie(route: Route) -> None:
        if route.request.method == "POST":
            me = {"account_id": str(stage.owner.account_id), "kind": "session"}
            route.fulfill(status=201, json=me)
        else:
            route.continue_()

    page.route("**/auth/session", without_cookie)
    page.goto("/")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("this browser did not keep the cookie")
    page.unroute("**/auth/session")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name=SESSION)).to_be_visible()


def test_an_answer_to_somebody_elses_sign_in_is_not_taken(stage: Stage, windows: Windows) -> None:
    """Else who sends a link signs others in as themselves, and reads what they write."""
    page = windows.of(stage.owner).new_page()
    token = stage.issuer.token(stage.stranger.subject, nonce="n")
    page.goto(f"/#id_token={token}&state=s")
    expect(page.get_by_role("alert")).to_contain_text("This sign-in was not begun in this window.")
    assert page.context.cookies() == []
    assert token not in page.url


def _expect_empty(page: Page, why: str) -> None:
    expect(page.get_by_role("alert")).to_have_text(why)
    expect_state(page, "Signed out")
    expect(page.get_by_role("listitem")).to_have_count(0)
    assert FIRST not in page.content()


def _asks_in_a_minute(page: Page) -> list[str]:
    """Return what a window asks for when its clock is put forward, so that all its timers ring."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(60_000)
    page.wait_for_timeout(500)
    return asked
