"""Composes the application from its parts: start here to find where everything is."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp_cors
from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND, Backend
from alphapulse_api.config import Config
from alphapulse_api.domain.errors import StartupError, Unavailable
from alphapulse_api.http.endpoint import endpoint
from alphapulse_api.http.handlers.console import CONSOLE, Console
from alphapulse_api.http.handlers.documents import OPENAPI
from alphapulse_api.http.pipeline import MIDDLEWARES
from alphapulse_api.http.pipeline.fast_path import FAST_PATH, FastPath
from alphapulse_api.http.pipeline.headers import (
    CORS_RESPONSE_HEADERS,
    browser_origins,
    cors_headers,
)
from alphapulse_api.http.pipeline.host import HOSTS, Hosts
from alphapulse_api.http.query import QUESTIONS, Questions
from alphapulse_api.http.route import ROWS
from alphapulse_api.http.route_table import ROWS as TABLE

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0  # between a worker's attempts to start

# Request headers that pages of other origins may send.
CORS_REQUEST_HEADERS = (
    "Authorization", "Content-Type", "Content-Encoding", "X-API-Key", "X-Request-ID", "If-Match",
    "If-None-Match", "Cache-Control", "Accept",
)  # fmt: skip


def create_app(config: Config | None = None, **accessors: Any) -> web.Application:
    """Create the aiohttp application; it can be mounted: `parent.add_subapp("/dashboard/", app)`.

    Args:
        config: the configuration; by default, the one that `serve` would load.
        accessors: the host's own accessors, by resource: any of metrics, alerts, portfolio, trades,
            agents and system.

    Raises:
        ConfigError: if the configuration cannot be used.
    """
    backend = Backend(config or Config.load(), accessors)

    async def opened(_: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await _enter(backend, stack)
            yield

    app = compose(backend)
    app.cleanup_ctx.append(opened)
    return app


async def _enter(backend: Backend, stack: AsyncExitStack) -> None:
    """Open the backend; a gunicorn worker retries until it succeeds.

    A configuration that cannot start is refused before any worker exists (conf/gunicorn.conf.py).
    Without the retries, a replacement worker that fails to start would make gunicorn stop every
    worker and close all of their sockets.
    """
    waiting = False
    while True:
        try:
            await stack.enter_async_context(backend)
            break
        except (StartupError, Unavailable) as error:
            if "AP_WORKER" not in os.environ:
                raise
            if not waiting:
                logger.warning("cannot start yet: %s", error)
            waiting = True
        await asyncio.sleep(RETRY_SECONDS)
    if waiting:
        logger.warning("can start now")


def compose(backend: Backend) -> web.Application:
    """Create the application on a backend that the caller opens and closes."""
    http = backend.config.http
    app = web.Application(
        middlewares=MIDDLEWARES,
        # For the server: our own (alphapulse_api/http/server) or aiohttp's.
        handler_args={
            "max_line_size": http.max_line_size,
            "max_field_size": http.max_header_size,
            "max_headers": http.max_headers,
            "keepalive_timeout": http.keepalive_timeout,
        },
    )
    app[BACKEND] = backend
    app[QUESTIONS] = Questions()
    app[HOSTS] = Hosts(backend.config)
    app[FAST_PATH] = FastPath(backend, app[HOSTS])
    app[CONSOLE] = Console()
    _add_routes(app, backend.config)
    app.on_shutdown.append(_drain)
    signals = len(app.on_response_prepare)

    async def started(app: web.Application) -> None:
        app[FAST_PATH].open = tuple(app.middlewares) == MIDDLEWARES and signals == len(
            app.on_response_prepare
        )

    app.on_startup.append(started)
    return app


def _add_routes(app: web.Application, config: Config) -> None:
    app[OPENAPI] = {}
    rows = app[ROWS] = {}
    # One resource per path: aiohttp-cors answers a preflight from the methods of one resource.
    resources: dict[str, web.Resource] = {}
    served = {"documents": config.docs.enabled, "console": config.console.enabled}
    for row in TABLE:
        if not served.get(row.tag, True):
            continue
        handler = endpoint(row)
        resource = resources.get(row.path)
        if resource is None:
            resource = resources[row.path] = app.router.add_resource(config.base_path + row.path)
        methods = [row.method]
        if row.method == hdrs.METH_GET and row.path != "/ws":
            methods.append(hdrs.METH_HEAD)
        for method in methods:
            rows[resource.add_route(method, handler, expect_handler=_expect)] = row
    if config.cors.allowed_origins:
        _allow_origins(app, config)


def _allow_origins(app: web.Application, config: Config) -> None:
    options = aiohttp_cors.ResourceOptions(
        allow_credentials=config.cors.allow_credentials,
        expose_headers=CORS_RESPONSE_HEADERS,
        allow_headers=CORS_REQUEST_HEADERS,
        max_age=3600,
    )
    origins = browser_origins(config.cors.allowed_origins)
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
    for route, row in app[ROWS].items():
        if row.path != "/ws":
            cors.add(route)

    # The router's 404 and 405 belong to no route, so aiohttp-cors does not handle them.
    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        if request.match_info.http_exception is not None:
            granted = cors_headers(config.cors, request.headers.get(hdrs.ORIGIN))
            granted.pop(hdrs.VARY)  # http/pipeline/access.py sets it on every answer
            response.headers.update(granted)

    app.on_response_prepare.append(allow)


async def _expect(request: web.Request) -> None:
    """Answer Expect: 100-continue, and ignore other expectations (RFC 9110, section 10.1.1).

    aiohttp's own handler answers the others with a plain-text 417, outside the middlewares.
    """
    continued = request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"
    if continued and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _drain(app: web.Application) -> None:
    # On shutdown rather than on cleanup: aiohttp waits for open sockets between the two.
    await app[BACKEND].hand_over()  # the next server need not wait for this one's last socket
    await app[BACKEND].events.flush()
    await app[BACKEND].connections.drain(app[BACKEND].config.shutdown_timeout)
