"""Logs: one line of JSON an event, on standard error. No secret, no address, nothing of a row."""

import logging
import sys
from typing import Any

import msgspec
import structlog

LOG: structlog.stdlib.BoundLogger = structlog.get_logger("gatekeeper")
"""Where modules log. What is told: kinds, codes, counts, routes; never what a client sent."""

_ENCODER = msgspec.json.Encoder(enc_hook=str)


def configure() -> None:
    """Send our lines, and those of the libraries, to standard error as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, _without_texts, structlog.processors.JSONRenderer(_dump_bytes)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # A line is one write of bytes: there is one for every answer, and ten thousand at a time.
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _without_texts],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(_dump),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)


def where(error: BaseException) -> str:
    """Return the kind of an error and where it was raised. Its text may hold what was sent."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"


def _without_texts(
    _logger: Any,  # noqa: ANN401 - structlog's
    _method: str,
    event: structlog.typing.EventDict,
) -> structlog.typing.EventDict:
    """Replace an exception by its kind and place, whoever logs it."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = where(error)
    return event


def _dump(event: Any, **_: Any) -> str:  # noqa: ANN401 - structlog's
    return _ENCODER.encode(event).decode()


def _dump_bytes(event: Any, **_: Any) -> bytes:  # noqa: ANN401 - structlog's
    return _ENCODER.encode(event)
