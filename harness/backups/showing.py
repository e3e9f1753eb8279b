"""What `invoke backup` and `invoke restore` print."""

from typing import Any

from harness import console
from harness.backups.backup import Backup
from harness.backups.manifest import Manifest
from harness.backups.restore import Restored
from harness.connections import Server

_PASSWORDS = "Roles that were made have no password: alter role NAME password '...'"


def show_backup(server: Server, backup: Backup, *, as_json: bool) -> None:
    """Print what was backed up."""
    if as_json:
        console.show_json(
            {"server": server.label, "folder": str(backup.folder), **_facts(backup.manifest)}
        )
        return
    console.say(f"{server.label} is backed up to {backup.folder}")
    console.say(_sentence(backup.manifest))
    console.say(f"Try it: DATABASE_URL=... invoke restore {backup.folder}, into an empty database")


def show_restored(server: Server, restored: Restored, *, as_json: bool) -> None:
    """Print what was restored."""
    if as_json:
        facts = _facts(restored.manifest)
        console.show_json({"server": server.label, "roles_made": restored.roles_made, **facts})
        return
    console.say(f"restored into {server.label}, and compared with what was backed up")
    console.say(_sentence(restored.manifest))
    if restored.roles_made:
        console.say(f"roles made: {', '.join(restored.roles_made)}")
        console.say(_PASSWORDS)


def _sentence(manifest: Manifest) -> str:
    return (
        f"{manifest.database} at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC: "
        f"{manifest.rows:,} rows in {len(manifest.facts.tables)} tables, "
        f"{len(manifest.facts.roles)} roles; {manifest.size_bytes:,} bytes"
    )


def _facts(manifest: Manifest) -> dict[str, Any]:
    return {
        "database": manifest.database,
        "made_at": manifest.made_at.isoformat(),
        "server_version": manifest.facts.server_version,
        "size_bytes": manifest.size_bytes,
        "tables": {one.table: one.rows for one in manifest.facts.tables},
        "roles": [role.name for role in manifest.facts.roles],
        "migrations": len(manifest.facts.migrations),
    }
