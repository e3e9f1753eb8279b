"""The corpus of damage in the database: every record ends as it is said there, and only so."""

from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.legacy.steps import FILES
from tests.py.legacy.builders import Target, fates
from tests.py.legacy.damage import Damage, Fate, Outcome, all_damages

DAMAGES = {damage.name: damage for damage in all_damages()}
IMPORTED = Fate("imported")


def write(folder: Path, damage: Damage) -> Path:
    folder.mkdir()
    for kind, data in damage.files.items():
        (folder / FILES[kind]).write_bytes(data)
    return folder


def fates_of(target: Target, run_id: int, kind: str) -> dict[int, set[Fate]]:
    """Return the fates of a run's records by place, with each reason there is for one."""
    rows = target.rows(
        """
        select source.ordinal, source.fate, reason.reason, reason.field, reason.sqlstate
        from legacy.source_records as source
        left join lateral (
            select kept.reason, kept.field, kept.sqlstate
            from legacy.quarantine as kept
            where source.fate = 'quarantined'
                and kept.account_id = source.account_id
                and kept.last_run_id = source.run_id
                and kept.kind = source.kind
                and kept.ordinal = source.ordinal
            union all
            select mend.value ->> 'reason', mend.key, null
            from legacy.kept_records as kept
            cross join jsonb_each(kept.mends) as mend
            where source.fate = 'adopted'
                and kept.account_id = source.account_id
                and kept.run_id = source.run_id
                and kept.kind = source.kind
                and kept.record_id = source.record_id
        ) as reason
            on true
        where source.account_id = %s
            and source.run_id = %s
            and source.kind = %s
        """,
        run_id,
        kind,
    )
    found: dict[int, set[Fate]] = {}
    for ordinal, *fate in rows:
        found.setdefault(ordinal, set()).add(Fate(*fate))
    return found


def is_said(found: Fate, said: Fate) -> bool:
    """Compare a fate with the one in the corpus, where None is not to be checked."""
    return (found.fate, found.reason) == (said.fate, said.reason) and all(
        wanted in (None, is_)
        for is_, wanted in ((found.field, said.field), (found.sqlstate, said.sqlstate))
    )


def assert_ends_as_said(target: Target, run_id: int, kind: str, outcome: Outcome) -> None:
    found = fates_of(target, run_id, kind)
    assert set(found) == set(range(outcome.read))
    for place, reasons in found.items():
        said = outcome.fates.get(place, IMPORTED)
        assert any(is_said(each, said) for each in reasons), (kind, place, reasons, said)
        assert {each.fate for each in reasons} == {said.fate}


@pytest.mark.parametrize("name", [n for n, d in DAMAGES.items() if isinstance(d.expect, dict)])
def test_every_record_ends_as_it_is_said(target: Target, tmp_path: Path, name: str) -> None:
    damage = DAMAGES[name]
    assert isinstance(damage.expect, dict)
    folder = write(tmp_path / "data", damage)
    first = target.run(folder)
    for kind, outcome in damage.expect.items():
        assert_ends_as_said(target, first.run_id, kind, outcome)
    assert fates(first) == {kind: outcome.counts for kind, outcome in damage.expect.items()}
    assert [tuple(fault.code for fault in file.faults) for file in first.files] == [
        damage.expect[kind].faults for kind in FILES
    ]

    again = target.run(folder)
    assert again.changed == 0
    assert again.quarantined == first.quarantined


@pytest.mark.parametrize("name", [n for n, d in DAMAGES.items() if isinstance(d.expect, ExitCode)])
def test_what_holds_nothing_is_refused(target: Target, tmp_path: Path, name: str) -> None:
    damage = DAMAGES[name]
    with pytest.raises(SessionbaseError) as refused:
        target.run(write(tmp_path / "data", damage))
    assert refused.value.code == damage.expect
    assert target.rows("select from legacy.import_runs where account_id = %s") == []
