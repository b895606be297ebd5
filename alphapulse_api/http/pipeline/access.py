"""Request ids, the access log, and the counters of requests.

The log has the path without its query and no headers, and keys in a path are masked, so it contains
no secrets.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

import uuid_utils
from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND
from alphapulse_api.http.large_body import split_large_body
from alphapulse_api.http.pipeline.auth import CALLER
from alphapulse_api.http.pipeline.client import client_address
from alphapulse_api.http.pipeline.fast_path import FAST_PATH
from alphapulse_api.http.pipeline.headers import COMMON, HEADERS, X_REQUEST_ID, vary_by_origin
from alphapulse_api.http.pipeline.masking import masked
from alphapulse_api.http.route import ROWS

logger = logging.getLogger("alphapulse_api.access")

# A caller's own id is kept if it is harmless in a log line and a header.
_SANE: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

REQUEST_ID: Final[web.RequestKey[str]] = web.RequestKey("request_id", str)

READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
CLIENT_GONE: Final = 499  # nginx's status for a client that left before its answer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, time, count and log it, and add the headers that every answer has."""
    app = request.app
    backend = app[BACKEND]
    request_id = request_id_of(request.headers.get(X_REQUEST_ID))
    row = app[ROWS].get(request.match_info.route)
    started = time.perf_counter()
    status = CLIENT_GONE
    try:
        if request.method in READING:  # writers go before readers
            await backend.turns.take()
        ready = await app[FAST_PATH].answer(request, request_id)
        if ready is not None:
            status = ready.status
            return ready
        request[REQUEST_ID] = request_id
        headers = request[HEADERS] = {"X-Request-ID": request_id, **COMMON}
        if row is not None and row.path == "/ws":
            headers["Vary"] = "Origin"  # Origin is checked, whether or not CORS is configured
        try:
            response = await handler(request)
        except web.HTTPException as answer:  # such as a host's redirect
            status = answer.status
            answer.headers.update(headers)
            raise
        status = response.status
        if not response.prepared:  # a stream or a socket has sent them already
            response.headers.update(headers)
            if backend.config.cors.allowed_origins:
                vary_by_origin(response.headers)
            split_large_body(response)
            if request.content.exception() is not None:
                _end_body(request, response)
        return response
    finally:
        seconds = time.perf_counter() - started
        # Requests without a route share one label: a client must not be able to create series.
        method, route = ("none", "none") if row is None else (row.method, row.path)
        backend.monitor.request(method, route, status, seconds)
        if logger.isEnabledFor(logging.INFO):
            caller = request.get(CALLER)
            log_request(
                request.method,
                # Not decoded: a line break in it could forge a line of the log.
                masked(request.rel_url.raw_path),
                status,
                seconds,
                client_address(request),
                caller.subject if caller is not None else None,
                request_id,
            )


def _end_body(request: web.Request, response: web.StreamResponse) -> None:
    """Let the connection end after the answer to a body that aiohttp could not decode.

    aiohttp decodes bodies in the server of a host that mounts the application. Its parser accepts
    nothing further then, but it would read on, and log the error as an unhandled exception.
    """
    response.force_close()
    if not request.content.is_eof():
        request.content.feed_eof()


def request_id_of(given: str | None) -> str:
    """The caller's own id if it is sane, else a new one."""
    return given if given and _SANE.fullmatch(given) else uuid_utils.uuid4().hex


def log_request(
    method: str,
    path: str,
    status: int,
    seconds: float,
    remote: str,
    caller: str | None,
    request_id: str,
) -> None:
    """Write the access log line of a request.

    Args:
        path: without the query.
        remote: the client's address.
    """
    logger.info(
        "%s %s %s",
        method,
        path,
        status,
        extra={
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": round(seconds * 1000, 3),
            "remote": remote,
            "caller": caller,
            "request_id": request_id,
        },
    )
