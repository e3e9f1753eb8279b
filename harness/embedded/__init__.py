"""A private Postgres for machines that have none: one folder, no root, no Docker."""
