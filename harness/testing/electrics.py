"""Which Electric the tests run on, and how that is chosen."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from harness.doctor.asking import electric_at
from harness.embedded.electric.server import VERSION
from harness.errors import ExitCode, SessionbaseError
from harness.settings import Settings
from harness.testing.composed import image_of
from harness.testing.servers import Choice, check_choice, docker_answers

ElectricChoice = Literal["auto", "stand-in", "container", "url"]


@dataclass(frozen=True)
class TestElectric:
    """What was chosen, never auto, and what the head of a test report says of it."""

    __test__ = False

    choice: ElectricChoice
    what: str

    @property
    def header(self) -> str:
        """One line for the head of a test report."""
        return f"electric: {self.choice}, {self.what}"


def parse_electric(text: str) -> ElectricChoice:
    """Read the option --electric. Raises SessionbaseError (BAD_SETTINGS)."""
    check_choice("--electric", text, get_args(ElectricChoice))
    return cast("ElectricChoice", text)


def choose_electric(settings: Settings, choice: ElectricChoice, postgres: Choice) -> TestElectric:
    """Choose the Electric that tests run on; start nothing.

    auto: the one of ELECTRIC_URL if that is set, a container if a Docker engine answers, else the
    stand-in. postgres: what the tests' Postgres is, never auto.
    Raises SessionbaseError: BAD_SETTINGS where a choice lacks what it needs, MISSING_TOOL.
    """
    if choice == "auto" and settings.electric_url:
        choice = "url"
    elif choice == "auto":
        choice = "container" if docker_answers() else "stand-in"
    if choice == "url":
        return TestElectric(choice, _address(settings, postgres))
    if choice == "container":
        if not docker_answers():
            raise SessionbaseError(
                ExitCode.MISSING_TOOL,
                "--electric=container, and no Docker engine answers",
                hint="Start one, or leave the option out.",
            )
        return TestElectric(choice, image_of("electric"))
    return TestElectric(choice, f"held to recordings of {VERSION}")


def _address(settings: Settings, postgres: Choice) -> str:
    """Return where the Electric of ELECTRIC_URL is, once all is there that its tests need."""
    if settings.electric_url is None:
        raise _lacking("ELECTRIC_URL is not set", "Set it, and ELECTRIC_SECRET and DATABASE_URL.")
    if settings.electric_secret is None:
        raise _lacking("ELECTRIC_URL is set, and ELECTRIC_SECRET is not", "Set it too.")
    if postgres != "url":
        raise _lacking(
            f"the Electric of ELECTRIC_URL does not follow the tests' Postgres ({postgres})",
            "Set DATABASE_URL to the database that it follows; or give --electric=stand-in.",
        )
    try:
        return electric_at(settings.electric_url.get_secret_value(), None).label
    except ValueError as error:
        raise _lacking(f"ELECTRIC_URL is {error}", "Correct it.") from None


def _lacking(what: str, hint: str) -> SessionbaseError:
    return SessionbaseError(ExitCode.BAD_SETTINGS, what, hint=hint)
