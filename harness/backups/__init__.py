"""Backups by pg_dump, and restoring them: what is written is checked, and what is restored too."""
