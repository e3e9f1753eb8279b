"""Everything on one machine by one command: `invoke up`, `invoke status`, `invoke down`."""
