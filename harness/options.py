"""Options of commands: what is wrong with one is a sentence, where invoke has a traceback."""

from collections.abc import Callable
from functools import partial
from math import isnan

from invoke.exceptions import ParseError
from invoke.parser.argument import Argument
from invoke.tasks import Task
from invoke.tasks import task as task_of

from harness.errors import ExitCode, SessionbaseError

_LAST_PORT = 65_535


def check_port(port: int) -> None:
    """Hold --port to what TCP has, 0 for any that is free. Raises SessionbaseError (REFUSED)."""
    if not 0 <= port <= _LAST_PORT:
        raise SessionbaseError(ExitCode.REFUSED, f"--port is from 0 to {_LAST_PORT}")


def check_least(option: str, number: int, least: int = 0) -> None:
    """Hold an option's number to the least that it may be. Raises SessionbaseError (REFUSED)."""
    if number < least:
        raise SessionbaseError(ExitCode.REFUSED, f"{option} is at least {least}")


class _Option(Argument):
    """An option. Raises ParseError, which invoke shows, where its word is not of its kind."""

    def set_value(self, value: object, cast: bool = True) -> None:
        """Take a word of the command line."""
        try:
            super().set_value(value, cast)
            # It is a float, and neither more nor less than any limit.
            is_number = not (self.kind is float and isnan(self.value))
        except ValueError:
            is_number = False
        if not is_number:
            name = (self.name or "").replace("_", "-")
            kind = "a whole number" if self.kind is int else "a number"
            raise ParseError(f"--{name} takes {kind}, and not {value!r}")


class _Task(Task[Callable[..., None]]):
    """A task with such options."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return its options, in the order in which they are taken by place."""
        return [
            _Option(
                names=option.names,
                kind=option.kind,
                default=option.default,
                help=option.help,
                positional=option.positional,
                optional=option.optional,
                incrementable=option.incrementable,
                attr_name=option.attr_name,
            )
            for option in super().get_arguments(ignore_unknown_help)
        ]


task = partial(task_of, klass=_Task)
"""Makes a task of a function, as invoke's decorator of this name does."""
