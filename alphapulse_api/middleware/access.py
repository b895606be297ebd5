"""Who asked for what, how it ended and how long it took: request id, access log, counters.

The log has the path without its query, and no header: nobody's secret can be in it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

import uuid_utils
from aiohttp import web

from alphapulse_api.keys import BACKEND, CALLER, HEADERS, LANE, REQUEST_ID, ROWS, X_REQUEST_ID
from alphapulse_api.middleware.client import client_address

logger = logging.getLogger("alphapulse_api.access")

# A caller's own id is kept if it can do no harm in a log line or a header.
_SANE: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request, time it, count it, log it."""
    app = request.app
    given = request.headers.get(X_REQUEST_ID)
    request_id = given if given and _SANE.fullmatch(given) else uuid_utils.uuid4().hex
    started = time.perf_counter()
    status = 499  # the client went away before there was an answer
    try:
        ready = await app[LANE].answer(request, request_id)
        if ready is not None:
            status = ready.status
            return ready
        request[REQUEST_ID] = request_id
        request[HEADERS] = {"X-Request-ID": request_id}
        response = await handler(request)
        status = response.status
        if not response.prepared:  # a stream or a socket has sent them already
            response.headers.update(request[HEADERS])
        return response
    finally:
        seconds = time.perf_counter() - started
        row = app[ROWS].get(request.match_info.route)
        # What no row knows is one series, or a client could make as many as there are words.
        method, route = ("none", "none") if row is None else (row.method, row.path)
        app[BACKEND].monitor.request(method, route, status, seconds)
        if logger.isEnabledFor(logging.INFO):
            caller = request.get(CALLER)
            logger.info(
                "%s %s %s",
                request.method,
                # As it was sent: decoded, it could hold a line break and forge a line of the log.
                request.rel_url.raw_path,
                status,
                extra={
                    "method": request.method,
                    "path": request.rel_url.raw_path,
                    "status": status,
                    "duration_ms": round(seconds * 1000, 3),
                    "remote": client_address(request),
                    "caller": caller.subject if caller is not None else None,
                    "request_id": request_id,
                },
            )
