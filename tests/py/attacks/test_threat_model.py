"""docs/threat-model.md names what there is."""

import re

from harness.settings import PROJECT
from tests.py.attacks.hostile import corpus

_TEXT = (PROJECT / "docs" / "threat-model.md").read_text("utf-8")
_HERE = PROJECT / "tests" / "py" / "attacks"


def test_the_files_that_it_names_are_there() -> None:
    modules = set(re.findall(r"`(gatekeeper/\w+\.py)`", _TEXT))
    tests = set(re.findall(r"`(\w+\.py)`", _TEXT))
    assert len(modules) > 10
    assert {name for name in modules if not (PROJECT / name).is_file()} == set()
    assert {name for name in tests if not (_HERE / name).is_file()} == set()


def test_every_test_and_every_way_is_in_it() -> None:
    written = {path.name for path in _HERE.glob("test_*.py")} - {"test_canonical.py"}
    assert {name for name in written if f"`{name}`" not in _TEXT} == {"test_threat_model.py"}
    ways = {int(number) for number in re.findall(r"(?m)^\| (\d+) \|", _TEXT)}
    assert ways == {attack.way for attack in corpus()}
