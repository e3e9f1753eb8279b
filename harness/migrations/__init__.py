"""Migrations: what is on disk, what the ledger knows, what follows, and doing it."""
