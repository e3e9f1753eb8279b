"""Settings, all from the environment or the project's .env file. The README lists them."""

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from harness.errors import ExitCode, SessionbaseError

PROJECT = Path(__file__).resolve().parent.parent
SQL = PROJECT / "sql"
EXAMPLES = PROJECT / "examples" / "legacy"

S = TypeVar("S", bound="Settings")
_PASSWORD = re.compile(r"[A-Za-z0-9_-]{20,}")


class Settings(BaseSettings):
    """What can be set. An empty variable counts as not set, whatever .env says of it."""

    model_config = SettingsConfigDict(
        env_prefix="SESSIONBASE_",
        env_file=PROJECT / ".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    """The server to use instead of the embedded one, as a postgresql:// URL or conninfo."""

    home: Path = PROJECT / ".sessionbase"
    """Where the embedded server's data and fetched tools are kept."""

    postgres_bin: Path | None = None
    """A folder with initdb, pg_ctl and postgres (15 to 18) to use instead of the wheel's."""

    lock_timeout_ms: int = Field(default=2_000, gt=0)
    """How long a migration waits for a table lock, in milliseconds, before it tries again."""

    lock_tries: int = Field(default=10, gt=0)
    """How often a migration tries to get its locks."""

    migrate_wait_s: int = Field(default=60, ge=0)
    """How long to wait for another `invoke migrate` on the same database, in seconds."""

    pg_prove: Path | None = Field(default=None, validation_alias="PG_PROVE")
    """The pg_prove program; without it, the PATH, then Debian's package."""

    pgtap_sql: Path | None = Field(default=None, validation_alias="PGTAP_SQL")
    """pgTAP's pgtap.sql; without it, the system's Postgres, then Debian's package."""

    chromium: Path | None = None
    """The browser of the viewer's tests; without it, the PATH, then Debian's package."""

    screenshots: Path | None = None
    """Where the viewer's tests leave their pictures; without it, pytest's own temporary folder."""

    env: Literal["development", "production"] = "development"
    """Where this runs. In production nothing starts that is for development only."""

    electric_url: SecretStr | None = Field(default=None, validation_alias="ELECTRIC_URL")
    """The Electric to use instead of the stand-in, as http://host:port."""

    electric_secret: SecretStr | None = Field(default=None, validation_alias="ELECTRIC_SECRET")
    """What a request to Electric, or to the stand-in, must show."""

    electric_replication_stream_id: str = Field(
        default="sessionbase",
        validation_alias="ELECTRIC_REPLICATION_STREAM_ID",
        pattern=r"^[a-z0-9_]{1,30}$",
    )
    """Names publication and slot: electric_publication_<id>, electric_slot_<id>."""

    electric_database_url: SecretStr | None = Field(
        default=None, validation_alias="ELECTRIC_DATABASE_URL"
    )
    """The login that streams, electric_repl; without it the stand-in uses DATABASE_URL's."""

    electric_pooled_database_url: SecretStr | None = Field(
        default=None, validation_alias="ELECTRIC_POOLED_DATABASE_URL"
    )
    """The login that reads snapshots, electric_read; without it DATABASE_URL's takes that role."""

    gatekeeper_url: SecretStr | None = None
    """The gatekeeper that `invoke doctor` asks, as http://host:port."""

    app_server_password: SecretStr | None = None
    """What `invoke set-passwords` makes the password of the role app_server."""

    electric_read_password: SecretStr | None = None
    """What `invoke set-passwords` makes the password of the role electric_read."""

    electric_repl_password: SecretStr | None = None
    """What `invoke set-passwords` makes the password of the role electric_repl."""

    @field_validator("app_server_password", "electric_read_password", "electric_repl_password")
    @classmethod
    def _fits_in_url(cls, password: SecretStr | None) -> SecretStr | None:
        if password and not _PASSWORD.fullmatch(password.get_secret_value()):
            raise ValueError(
                "20 characters or more, and only letters, digits, - and _, for it stands in URLs: "
                "openssl rand -hex 24"
            )
        return password

    @field_validator("home", "postgres_bin", "pg_prove", "pgtap_sql", "chromium", "screenshots")
    @classmethod
    def _from_here(cls, path: Path | None) -> Path | None:
        # Programs are run elsewhere, so a path must not depend on where that is.
        try:
            return path and path.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != ""}


def load() -> Settings:
    """Read the settings every command has. Raises as load_as does."""
    return load_as(Settings)


def load_as(kind: type[S]) -> S:
    """Read the settings of a program that has more of them.

    Raises SessionbaseError (BAD_SETTINGS) that names each wrong variable, and never its value.
    """
    try:
        return kind()
    except ValidationError as error:
        wrong = [_fault(e["loc"], e["msg"]) for e in error.errors(include_input=False)]
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS,
            "; ".join(wrong),
            hint="See the settings in README.md and .env.example.",
        ) from None
    except UnicodeDecodeError as error:
        raise SessionbaseError(
            ExitCode.BAD_SETTINGS, f".env is not UTF-8 at byte {error.start}"
        ) from None


def _fault(location: tuple[int | str, ...], message: str) -> str:
    """Name the environment variable that is wrong, and say why."""
    if not location:
        # Of settings that do not go together, which the message names.
        return message
    name = str(location[0])
    return f"{name if name.isupper() else f'SESSIONBASE_{name}'.upper()}: {message}"
