"""What has to be done, and what forbids it, from the files and the ledger. Nothing is done here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import ExitCode, SessionbaseError
from harness.migrations.files import SqlFile
from harness.migrations.ledger import Entry, Policies

State = Literal["applied", "pending", "changed"]


@dataclass(frozen=True)
class Step:
    """A file and what is to become of it: applied (nothing), pending (new), changed (again)."""

    file: SqlFile
    state: State
    entry: Entry | None


@dataclass(frozen=True)
class Plan:
    """All files in order, and the entries of function and policy files that are gone."""

    steps: list[Step]
    gone: list[Entry]

    @property
    def versioned(self) -> list[SqlFile]:
        """Migrations to apply, in order."""
        return [s.file for s in self.steps if s.state != "applied" and s.file.kind == "versioned"]

    @property
    def repeatable(self) -> list[SqlFile]:
        """Functions and policies to apply, in order."""
        return [s.file for s in self.steps if s.state != "applied" and s.file.kind != "versioned"]

    @property
    def is_pending(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.versioned or self.repeatable or self.gone)


def make_plan(
    files: Sequence[SqlFile], entries: dict[str, Entry], *, reapply: bool = False
) -> Plan:
    """Compare files with the ledger. reapply: do every function and policy again.

    Raises SessionbaseError: MIGRATION_CHANGED for an applied migration that was edited,
    MIGRATION_MISPLACED for one that is gone or a new one numbered below an applied one.
    """
    steps = [_step(file, entries.get(file.name), reapply=reapply) for file in files]
    names = {file.name for file in files}
    gone = [entry for entry in entries.values() if entry.name not in names]
    _refuse_gone([entry for entry in gone if entry.kind == "versioned"])
    _refuse_out_of_order(steps)
    return Plan(steps, gone)


def without_those_of(entries: Iterable[Entry], policies: Policies) -> Policies:
    """Return the policies that none of these entries' files declared."""
    left_out = {policy for entry in entries for policy in entry.policies}
    return {policy: said for policy, said in policies.items() if policy not in left_out}


def check_policies(entries: Iterable[Entry], in_force: Policies) -> None:
    """Check that the database's policies are those that the entries' files declared.

    Raises SessionbaseError (POLICY_UNDECLARED) that names each that is not.
    """
    declared: Policies = {}
    for entry in entries:
        declared.update(entry.policies)
    faults = [
        *(f'"{name}" on {table} is in no file' for table, name in in_force.keys() - declared),
        *(f'"{name}" on {table} is gone' for table, name in declared.keys() - in_force),
        *(
            f'"{name}" on {table} was changed by hand'
            for table, name in declared.keys() & in_force
            if declared[table, name] != in_force[table, name]
        ),
    ]
    if faults:
        raise SessionbaseError(
            ExitCode.POLICY_UNDECLARED,
            "policies in the database differ from sql/policies/: " + "; ".join(sorted(faults)),
            hint='Drop a policy that is in no file (drop policy "name" on table;) or declare it. '
            "For one that is gone or was changed: invoke migrate --reapply.",
        )


def _step(file: SqlFile, entry: Entry | None, *, reapply: bool) -> Step:
    if entry is None:
        return Step(file, "pending", None)
    changed = file.checksum != entry.checksum
    if file.kind == "versioned" and changed:
        raise SessionbaseError(
            ExitCode.MIGRATION_CHANGED,
            f"sql/{file.name} was changed after it had been applied\n"
            f"  applied {entry.applied_at:%Y-%m-%d %H:%M} by {entry.applied_by}: {entry.checksum}\n"
            f"  on disk now: {file.checksum}",
            hint="Put the file back as it was, and write what is to change as a new migration.",
        )
    again = changed or (reapply and file.kind != "versioned")
    return Step(file, "changed" if again else "applied", entry)


def _refuse_gone(entries: list[Entry]) -> None:
    if entries:
        names = ", ".join(f"sql/{entry.name}" for entry in entries)
        raise SessionbaseError(
            ExitCode.MIGRATION_MISPLACED,
            f"applied to this database but not on disk: {names}",
            hint="Either the files were lost (put them back), or the database is ahead of this "
            "version of sessionbase (use the newer one).",
        )


def _refuse_out_of_order(steps: list[Step]) -> None:
    versioned = [step for step in steps if step.file.kind == "versioned"]
    applied = [step.file.name for step in versioned if step.state == "applied"]
    for step in versioned:
        if step.state == "pending" and applied and step.file.name < applied[-1]:
            raise SessionbaseError(
                ExitCode.MIGRATION_MISPLACED,
                f"sql/{step.file.name} is new, but sql/{applied[-1]} was applied already",
                hint="Give it the next free number.",
            )
