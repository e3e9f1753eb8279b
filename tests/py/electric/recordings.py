"""The recordings of a real Electric, and what of them is compared.

Not compared, and why:

- Values that differ from run to run: handles, places in the log, numbers of transactions, marks of
  snapshots, cursors, clocks. Their form and their equality within a scenario are compared.
- `xmin`, `xmax` and `database_lsn`: other sessions on the server move them. That they are numbers
  is compared. So is `global_last_seen_lsn` where an answer has nothing else: what was written
  before may be on its way still.
- `content-length`, `date`, `connection` and headers of cross-origin requests: of the web server, or
  not in the recordings.
- Keep-alives of server-sent events: they come after 21 s. test_events.py has them.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

_FILE = Path(__file__).with_name("recordings.yaml")
_HANDLE = re.compile(r"(?<![\d-])\d{1,10}-\d{16}(?!\d)")
_PLACE = re.compile(r"(?<![\d_-])(\d{5,})_(\d+|inf)(?!\d)")
_NUMBERED = re.compile(r"(?:handle|lsn|txid|mark)-\d+")
_COMPARED = re.compile(r"cache-control|surrogate-control|content-type|etag|vary|electric-.*")
_OF_THE_SERVER = {"electric-server"}


@dataclass
class Names:
    """Gives values that differ from run to run a name each, by order of appearance."""

    _named: dict[tuple[str, str], str] = field(default_factory=dict)

    def write(self, value: Any, key: str = "") -> Any:  # noqa: ANN401, PLR0911 - it is JSON
        """Put names in the place of values."""
        if isinstance(value, dict):
            return {name: self.write(value[name], name) for name in sorted(value)}
        if key == "txids":
            return [self._name("txid", str(txid)) for txid in value]
        if key == "snapshot_mark":
            return self._name("mark", str(value))
        if isinstance(value, list) and [_control(one) for one in value] == ["up-to-date"]:
            return [{"headers": {"control": "up-to-date", "global_last_seen_lsn": "number"}}]
        if isinstance(value, list):
            return [self.write(one) for one in value]
        if key in {"lsn", "global_last_seen_lsn"}:
            return self._name("lsn", value)
        if key in {"xmin", "xmax", "database_lsn"} and re.fullmatch(r"\d+", value):
            return "number"
        if isinstance(value, str):
            text = _HANDLE.sub(lambda found: self._name("handle", found[0]), value)
            return _PLACE.sub(lambda found: f"{self._name('lsn', found[1])}_{found[2]}", text)
        return value

    def headers(self, headers: dict[str, str]) -> dict[str, Any]:
        """Return the headers that matter, with names, the schema as JSON."""
        kept: dict[str, Any] = {}
        for name in sorted(headers):
            if _COMPARED.fullmatch(name) and name not in _OF_THE_SERVER:
                kept[name] = self.write(headers[name])
        if "electric-schema" in kept:
            kept["electric-schema"] = msgspec.json.decode(kept["electric-schema"])
        if re.fullmatch(r"\d{8,}", kept.get("electric-cursor", "")):
            kept["electric-cursor"] = "number"
        if "etag" in kept:
            # The tag of an answer without news ends with a clock's number.
            kept["etag"] = re.sub(r':-?\d{6,}"$', ':clock"', kept["etag"])
        return kept

    def read(self, value: Any) -> Any:  # noqa: ANN401 - it is JSON
        """Put this run's values in the place of names."""
        if isinstance(value, dict):
            return {name: self.read(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.read(one) for one in value]
        if isinstance(value, str):
            values = {name: actual for (_, actual), name in self._named.items()}
            return _NUMBERED.sub(lambda found: values.get(found[0], found[0]), value)
        return value

    def _name(self, kind: str, actual: str) -> str:
        known = sum(1 for one, _ in self._named if one == kind)
        return self._named.setdefault((kind, actual), f"{kind}-{known + 1}")


def _control(message: Any) -> str | None:  # noqa: ANN401 - it is JSON
    control: str | None = (
        message.get("headers", {}).get("control") if isinstance(message, dict) else None
    )
    return control


def scenarios() -> list[dict[str, Any]]:
    """Return the recorded scenarios."""
    loaded: list[dict[str, Any]] = yaml.safe_load(_FILE.read_text())["scenarios"]
    return loaded
