"""Text of others in Markdown: escaped, so that it is shown as it is."""

import re

_MARKUP = re.compile(r"([\\`*<>|\[\]#]|\b_|_\b|&(?=[#\w]+;))")
"""What Markdown would take for markup. An underscore inside a name is not."""


def escaped(text: str) -> str:
    """Escape text, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return a span of code, also of text with backticks; in a table a bar would end the cell."""
    line = " ".join(text.split()).replace("|", r"\|")
    ticks = "`" * (_longest_run(line) + 1)
    space = " " if ticks != "`" else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def fenced(text: str, language: str = "sql") -> str:
    """Return a block of code, also of one with backticks."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    """Return how many backticks stand together at most."""
    return max((len(run) for run in re.findall("`+", text)), default=0)


def stripped(text: str) -> str:
    """Return a page without runs of empty lines, which templates leave."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
