"""Jinja's templates of pages, of HTML and of Markdown: what is the same for all of them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Filters = Mapping[str, Callable[..., Any]]
"""Filters of templates, by the names that these know them by."""


def template_environment(*folders: Path, is_html: bool, filters: Filters) -> Environment:
    """Return what fills the templates of some folders; the first that has one is taken.

    is_html: what is filled in is escaped as HTML. Markdown is none: what could be markup there is
    escaped by filters, word by word. A name that a template is not given is an error. filters:
    those of the page, beside the filter "sentence".
    """
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=is_html,  # noqa: S701 - see above
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"sentence": _sentence, **filters}
    return environment


def _sentence(text: str) -> str:
    """Return words with a full stop behind."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
