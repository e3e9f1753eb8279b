"""The corpus of damage, as far as reading goes: every record is found, and nothing is lost."""

import json
import re
from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.legacy.reader import RecordFile
from tests.py.legacy.damage import SNAPSHOT, Damage, Fate, Outcome, all_damages

DAMAGES = {damage.name: damage for damage in all_damages()}
BY_THE_READER = {"cut_off", "damaged", "after_end"}


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(DAMAGES) == len(all_damages()) >= 130
    assert all(re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in DAMAGES)
    files = {tuple(sorted(damage.files.items())) for damage in DAMAGES.values()}
    assert len(files) == len(DAMAGES)


def outcomes(damage: Damage) -> dict[str, Outcome]:
    assert isinstance(damage.expect, dict)
    return damage.expect


def is_refused(damage: Damage) -> bool:
    return isinstance(damage.expect, ExitCode)


@pytest.mark.parametrize("name", [name for name in DAMAGES if not is_refused(DAMAGES[name])])
def test_every_record_is_found(tmp_path: Path, name: str) -> None:
    damage = DAMAGES[name]
    assert outcomes(damage).keys() == SNAPSHOT.keys()
    for kind, outcome in outcomes(damage).items():
        assert all(place < outcome.read for place in outcome.fates)
        if kind in damage.files:
            assert_read_as(tmp_path, damage.files[kind], outcome)
        else:
            assert outcome == Outcome(0)


def assert_read_as(folder: Path, data: bytes, outcome: Outcome) -> None:
    path = folder / "file.json"
    path.write_bytes(data)
    file = RecordFile(path)
    elements = list(file.elements())
    faults = {
        place: fate.reason for place, fate in outcome.fates.items() if fate.reason in BY_THE_READER
    }
    found = {element.ordinal: element.fault for element in elements if element.fault}
    shown = [(element.raw, element.fault) for element in elements]
    assert (len(elements), found) == (outcome.read, faults), shown
    assert tuple(fault.code for fault in file.faults) == outcome.faults, shown
    for element in elements:
        if element.fault is None and element.length < 20_000:
            assert_as_good_as_said(element.raw or b"", outcome.fates.get(element.ordinal))


def assert_as_good_as_said(raw: bytes, fate: Fate | None) -> None:
    """See that a record which is to come in is a JSON object, and that what is no JSON is not."""
    try:
        value = json.loads(raw.decode(), parse_constant=int)
    except ValueError:
        value = None
    if fate and fate.reason == "not_json":
        assert value is None, raw
    elif not fate or fate.fate != "quarantined":
        assert isinstance(value, dict), raw


@pytest.mark.parametrize("name", [name for name in DAMAGES if is_refused(DAMAGES[name])])
def test_what_holds_nothing_is_refused(tmp_path: Path, name: str) -> None:
    damage = DAMAGES[name]
    codes = set()
    for data in damage.files.values():
        (tmp_path / "file.json").write_bytes(data)
        try:
            list(RecordFile(tmp_path / "file.json").elements())
        except SessionbaseError as error:
            codes.add(error.code)
    assert codes == {damage.expect}
