"""The corpus: hostile requests as data, one file for each way of attack.

A file says which way it is and holds attacks. Of an attack that is repeated for `each` of some
texts, {it} is the text. Other names in braces are filled in when it runs.

say        what it is
query, path, method, host, headers, body, auth
           how it differs from a good request
line, raw  the request line, or the whole request, where those parts can't say it
status     what it is answered with; one of a list where the server in front decides
answers    how many answers there are, if not one
last       the status of the last one of several
hangs      whether the connection may stay open, so that the client has to leave
reaches    whether Electric is asked what was claimed, though the answer is 400
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "corpus"
_NAME = re.compile(r"\{([a-z_]+(?::[a-z_]+)?)\}")
_PATHS = {"gatekeeper": "/v1/shape", "proxy": "/v1/sessions/s1/shapes/session_todos"}
_AUTH = {"gatekeeper": "token", "proxy": "jwt"}


@dataclass(frozen=True)
class Attack:
    """One hostile request. Texts become bytes as Latin-1, so that any byte can be written."""

    way: int
    style: str
    say: str
    status: tuple[int, ...]
    query: str = "offset=-1"
    path: str = ""
    method: str = "GET"
    host: str = "{host}"
    headers: tuple[str, ...] = ()
    body: str = ""
    auth: str = ""
    line: str = ""
    raw: str = ""
    answers: int | None = None
    last: int | None = None
    hangs: bool = False
    reaches: bool = False
    it: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """What a test report calls it."""
        said = self.say.replace("{it}", repr(self.it)[:80])
        return f"way {self.way}, {self.style}: {said}"

    def request(self, names: Mapping[str, str]) -> bytes:
        """Return its bytes. names: what the names in braces stand for; auth_* are headers."""
        names = {**names, "it": self.it}
        if self.raw:
            return _filled(self.raw, names).encode("latin-1")
        path = self.path or _PATHS[self.style]
        target = path + (f"?{self.query}" if self.query else "")
        line = self.line or f"{self.method} {target} HTTP/1.1"
        auth = names["auth_" + (_filled(self.auth, names) or _AUTH[self.style])]
        body = _filled(self.body, names).encode("latin-1")
        head = [line, f"Host: {self.host}", auth, *self.headers, "Connection: close"]
        if body or self.method == "POST":
            head.append(f"Content-Length: {len(body)}")
        text = "\r\n".join(_filled(one, names) for one in head if one)
        return text.encode("latin-1") + b"\r\n\r\n" + body


def corpus() -> list[Attack]:
    """Read all attacks."""
    return [
        attack
        for path in sorted(_FOLDER.glob("*.yaml"))
        for attack in _read(yaml.safe_load(path.read_text("utf-8")))
    ]


def _read(file: dict[str, Any]) -> Iterator[Attack]:
    for style in file["styles"]:
        for entry in file["attacks"]:
            known = dict(entry)
            each = known.pop("each", [""])
            status = known.pop("status")
            attack = Attack(
                way=file["way"],
                style=style,
                status=tuple(status) if isinstance(status, list) else (status,),
                headers=tuple(known.pop("headers", ())),
                **known,
            )
            for it in each:
                yield replace(attack, it=str(it))


def _filled(text: str, names: Mapping[str, str]) -> str:
    """Fill in names, and names in what was filled in; braces of JSON stay."""
    for _ in range(3):
        text = _NAME.sub(lambda found: _value(found, names), text)
    return text


def _value(found: re.Match[str], names: Mapping[str, str]) -> str:
    name = found[1]
    if name.endswith(":it"):
        # {own:it} is the parameter that `it` names, with its value.
        name = f"{name.removesuffix('it')}{names['it']}"
    return names.get(name, found[0])
