"""The old viewer's files: reading them, and handing them to the import functions."""
