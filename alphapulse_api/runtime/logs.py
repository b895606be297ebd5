"""Where log lines go and how they look, for the command line; a host has its own logging."""

from __future__ import annotations

import logging
import sys
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pythonjsonlogger.json import JsonFormatter

from alphapulse_api.config import LoggingConfig

QUOTING: Final = (HttpProcessingError, web.RequestPayloadError)
TEXT_EXTRAS: Final = ("duration_ms", "remote", "caller", "request_id")


def configure_logging(config: LoggingConfig) -> None:
    """Send our log to standard error, as text or as one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
        )
        if config.format == "json"
        else _TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    )
    handler.addFilter(_discreet)
    for name in ("alphapulse_api", "aiohttp"):
        root = logging.getLogger(name)
        root.handlers[:] = [handler]
        root.setLevel(config.level.upper())
        root.propagate = False


class _TextFormatter(logging.Formatter):
    """A line for people, with what else a record carries as key=value behind it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        extras = ((name, getattr(record, name, None)) for name in TEXT_EXTRAS)
        return line + "".join(f" {name}={value}" for name, value in extras if value is not None)


def _discreet(record: logging.LogRecord) -> bool:
    """Bytes that are no HTTP request get one line, without a traceback that would quote them."""
    if record.exc_info and isinstance(record.exc_info[1], QUOTING):
        record.exc_info = record.exc_text = None
    return True
