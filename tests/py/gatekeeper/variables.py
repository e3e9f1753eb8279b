"""The environment variables of the gatekeeper's own settings."""

from gatekeeper.settings import GatekeeperSettings
from harness.settings import Settings

VARIABLES = {
    str(GatekeeperSettings.model_fields[name].validation_alias or f"sessionbase_{name}").upper()
    for name in set(GatekeeperSettings.model_fields) - set(Settings.model_fields)
}
"""Those that the gatekeeper has besides what every command has."""
