"""Questions by HTTP. None follows a redirect: Electric's secret is in the address."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

_SECONDS = 15
"""Longer than Electric takes to say that a snapshot failed."""

_MOST_BYTES = 1 << 20
_NO_ADDRESS = "not an address such as http://electric:3000"


class NoAnswerError(Exception):
    """Nothing that speaks HTTP answered. Its text says why, and holds no address and no secret."""


@dataclass(frozen=True)
class Answer:
    """What was answered. headers: by names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever is JSON
        """Return the body's JSON, or None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


@dataclass(frozen=True)
class Place:
    """Where something that speaks HTTP is."""

    scheme: str
    host: str
    port: int

    @property
    def label(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def get(self, target: str) -> Answer:
        """Ask for a target. Raises NoAnswerError."""
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=_SECONDS)
        try:
            connection.request("GET", target, headers={"accept": "application/json"})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read(_MOST_BYTES))
        except TimeoutError:
            raise NoAnswerError(f"no answer within {_SECONDS} s") from None
        except OSError as error:
            raise NoAnswerError(error.strerror or type(error).__name__) from None
        except (http.client.HTTPException, UnicodeError):
            raise NoAnswerError("what answers there does not speak HTTP") from None
        finally:
            connection.close()


@dataclass(frozen=True)
class Electric(Place):
    """An Electric at an address, with the secret to show it."""

    secret: str | None = field(repr=False)

    def health(self) -> Answer:
        """Ask how it is. Raises NoAnswerError."""
        return self.get("/v1/health")

    def shape(self, query: Mapping[str, str], *, with_secret: bool = True) -> Answer:
        """Ask for a shape. Raises NoAnswerError."""
        secret = {"secret": self.secret} if with_secret and self.secret else {}
        return self.get(f"/v1/shape?{urlencode({**query, **secret})}")


def electric_at(url: str, secret: str | None) -> Electric:
    """Read ELECTRIC_URL. Raises ValueError, which quotes nothing of it."""
    place = place_at(url)
    return Electric(place.scheme, place.host, place.port, secret)


def place_at(url: str) -> Place:
    """Read an address of nothing but scheme, host and port.

    Raises ValueError, which quotes nothing of it.
    """
    try:
        parts = urlsplit(url)
        usual = {"http": 80, "https": 443}[parts.scheme]
        port = parts.port or usual
    except (ValueError, KeyError):
        raise ValueError(_NO_ADDRESS) from None
    # Whatever else an address can have would be left out in silence, a password among it.
    is_bare = parts.path in {"", "/"} and not (parts.query or parts.fragment or parts.username)
    if parts.hostname is None or not is_bare:
        raise ValueError(_NO_ADDRESS)
    return Place(parts.scheme, parts.hostname, port)
