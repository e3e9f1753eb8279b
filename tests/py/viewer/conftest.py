"""A browser, and windows in it on a stage of the module's own."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from harness.connections import connect
from harness.settings import Settings
from harness.testing.chromium import find_chromium
from harness.testing.servers import Databases
from harness.up.viewer import built_viewer
from tests.py.electric.electrics import stand_in
from tests.py.viewer.stage import Stage, set_up
from tests.py.viewer.windows import Windows


@pytest.fixture(scope="session")
def viewer(settings: Settings) -> Path:
    """Return the built page."""
    return built_viewer(settings, print)


@pytest.fixture(scope="module")
def browser(settings: Settings) -> Iterator[Browser]:
    """Run Chromium. Not for longer than a module: Playwright's loop would be in others' way."""
    chromium = find_chromium(settings, print)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=chromium.program,
            # As root, and on machines that let nobody make namespaces, there is none to be had. It
            # sees the pages of this project only.
            chromium_sandbox=False,
            env={**os.environ, **chromium.environment},
        )


@pytest.fixture(scope="module")
def stage(
    databases: Databases, viewer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Set all up that the page needs."""
    with ExitStack() as stack:
        server = stack.enter_context(databases.migrated())
        electric = stack.enter_context(stand_in(server))
        writer = stack.enter_context(connect(server, "test"))
        folder = tmp_path_factory.mktemp("stage")
        yield stack.enter_context(set_up(writer, electric, viewer, folder))


@pytest.fixture
def windows(
    stage: Stage,
    browser: Browser,
    settings: Settings,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[Windows]:
    """Open windows, and see at the end that none asked for more than the policy allows."""
    if stage.process is None:
        stage.start()
    opened = Windows(stage, browser, settings.screenshots or tmp_path, request.node.name)
    yield opened
    opened.close()
