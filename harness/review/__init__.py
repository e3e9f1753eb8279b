"""Rights in the database beside their intent: what the catalog says, what doing it shows."""
