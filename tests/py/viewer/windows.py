"""Windows of people, and what the browser says against the page in them."""

import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect

from tests.py.login_sessions.people import Person
from tests.py.viewer.stage import AUTHORIZE_URL, FIRST, SESSION, Stage

Scheme = Literal["light", "dark"]

DESKTOP: ViewportSize = {"width": 1180, "height": 760}
PHONE: ViewportSize = {"width": 360, "height": 640}

# The browser says so wherever a policy forbids something, also where no test looks for it.
_WATCH = """
    addEventListener('securitypolicyviolation', ({violatedDirective, blockedURI}) =>
        console.warn(`forbidden: ${violatedDirective} ${blockedURI}`));
"""


class Windows:
    """Opens windows. Whoever signs in has a browser of their own, as far as cookies go."""

    def __init__(self, stage: Stage, browser: Browser, pictures: Path, test: str) -> None:
        self._stage = stage
        self._browser = browser
        self._pictures = pictures
        self._test = re.sub(r"\W+", "-", test)
        self._contexts: list[BrowserContext] = []
        self.forbidden: list[str] = []
        self.faults: list[str] = []
        self.hosts: set[str] = set()

    def of(
        self, person: Person, size: ViewportSize = DESKTOP, scheme: Scheme = "light"
    ) -> BrowserContext:
        """Make a browser for somebody, who is not signed in."""
        context = self._browser.new_context(
            base_url=self._stage.url, viewport=size, color_scheme=scheme
        )
        self._contexts.append(context)
        context.set_default_timeout(15_000)
        context.add_init_script(_WATCH)
        context.route(
            f"{AUTHORIZE_URL}**", lambda route: self._stage.authorize(route, person, "Ada")
        )
        context.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        context.on("console", lambda message: self._note(message.text))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        return context

    def signed_in(
        self, person: Person, size: ViewportSize = DESKTOP, scheme: Scheme = "light"
    ) -> Page:
        """Open a window, and sign in."""
        page = _with_clock(self.of(person, size, scheme).new_page())
        page.goto("/")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("navigation", name="Sessions")).to_be_visible()
        return page

    def beside(self, page: Page) -> Page:
        """Open another window of the same browser: of the same login session."""
        return _with_clock(page.context.new_page())

    def keep(self, page: Page, name: str, *, whole_name: bool = False) -> Path:
        """Keep a picture of a window, under the test's name and this one, or this one alone."""
        self._pictures.mkdir(parents=True, exist_ok=True)
        path = self._pictures / f"{name if whole_name else f'{self._test}-{name}'}.png"
        page.screenshot(path=path)
        return path

    def close(self) -> None:
        """Close them all, and fail if the browser said something against the page."""
        for context in self._contexts:
            context.close()
        assert self.faults == []
        assert self.forbidden == []
        assert self.hosts <= {urlsplit(self._stage.url).netloc, urlsplit(AUTHORIZE_URL).netloc}

    def _note(self, text: str) -> None:
        if text.startswith("forbidden:"):
            self.forbidden.append(text)


def _with_clock(page: Page) -> Page:
    """Let the window's time go as it does, and be put forward."""
    page.clock.install()
    return page


def open_session(page: Page, owner: Person, session_id: str = SESSION, view: str = "chat") -> None:
    """Open a session by its address."""
    page.goto(address(owner, session_id, view))


def open_chat(page: Page, owner: Person) -> None:
    """Open the session that all share, and wait until its messages are there and followed."""
    open_session(page, owner)
    expect(message(page, FIRST)).to_be_visible()
    expect_state(page, "Live")


def address(owner: Person, session_id: str = SESSION, view: str = "chat") -> str:
    """Return where a session is on the page."""
    return f"/#/{owner.account_id}/{quote(session_id, safe='')}/{view}"


def message(page: Page, content: str) -> Locator:
    """Find a message by its whole text."""
    text = page.locator(".content", has_text=re.compile(f"^{re.escape(content)}$"))
    return page.get_by_role("region", name="Messages").get_by_role("listitem").filter(has=text)


def write(page: Page, content: str) -> None:
    """Type a message, and send it by Enter."""
    field = page.get_by_label("Message", exact=True)
    field.fill(content)
    field.press("Enter")


def expect_state(page: Page, state: str) -> None:
    """Wait until the page says how its connection is."""
    expect(page.locator(".connection")).to_have_text(state, timeout=20_000)
