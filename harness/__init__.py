"""What tasks.py calls: settings, connections, migrations, import, embedded server, tests."""

from importlib.metadata import version

__version__ = version("sessionbase")
