"""Figures for Prometheus, on a port of their own. No label holds what a client chose."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from gatekeeper.settings import GatekeeperSettings
from harness.errors import ExitCode, SessionbaseError

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "gatekeeper_requests_total",
            "Requests, by route, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "gatekeeper_request_seconds",
            "How long requests took, held ones included.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.held = Gauge(
            "gatekeeper_held",
            "Answers that are held now: polls and event streams.",
            ["kind"],
            registry=self.registry,
        )
        self.shared = Counter(
            "gatekeeper_shape_answers_total",
            "Answers of shapes, by where they came from: electric, shared (with one under way), "
            "cache, events.",
            ["source"],
            registry=self.registry,
        )
        self.electric = Counter(
            "gatekeeper_electric_requests_total",
            "Requests to Electric, by status; failed if there was none.",
            ["status"],
            registry=self.registry,
        )
        self.handles = Counter(
            "gatekeeper_handles_total",
            "Handles that were not known here, by what came of them: verified, refused.",
            ["outcome"],
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            "gatekeeper_cache_bytes", "What the cache holds.", registry=self.registry
        )
        self.buffer_bytes = Gauge(
            "gatekeeper_buffer_bytes", "What answers under way hold.", registry=self.registry
        )
        self.tokens = Counter(
            "gatekeeper_shape_tokens_total", "Shape tokens issued.", registry=self.registry
        )
        self.revoked = Counter(
            "gatekeeper_revoked_total", "Answers withheld by a revocation.", registry=self.registry
        )


@contextmanager
def exposing(metrics: Metrics, settings: GatekeeperSettings, process: int) -> Iterator[None]:
    """Serve the figures. process: which of several; each has the next port.

    Raises SessionbaseError (REFUSED) if the port can't be had.
    """
    if settings.metrics_port < 0:
        yield
        return
    host, port = settings.metrics_host, settings.metrics_port
    # 0 takes any that is free, in each process.
    port = port and port + process
    try:
        web, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise SessionbaseError(
            ExitCode.REFUSED,
            f"can't listen for Prometheus on {host}:{port}: {error.strerror}",
            hint="Set SESSIONBASE_METRICS_PORT; -1 listens nowhere.",
        ) from None
    try:
        yield
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
