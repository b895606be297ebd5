"""Serves an application of ours: `Runner` takes the place of aiohttp's `AppRunner`.

`serve`, `Dashboard` and the gunicorn worker use it. Mounted into a host's application, or run by
aiohttp's own runner, the application is served by aiohttp's own server: its limits and its answers
to what it cannot parse are the host's.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from alphapulse_api.backend import BACKEND
from alphapulse_api.http.server.protocol import Protocol
from alphapulse_api.http.server.refusals import Refusals
from alphapulse_api.http.server.watch import Watch


class Server(web.Server):
    """aiohttp's server with our protocol, and one timer for all of its connections."""

    def __init__(self, app: web.Application, server: web.Server) -> None:
        super().__init__(
            server.request_handler, request_factory=server.request_factory, loop=server._loop
        )
        self._http = http = app[BACKEND].config.http
        self._options = server._kwargs
        self._refusals = Refusals(app)
        shortest = min(http.header_timeout, http.body_timeout, http.send_timeout)
        self._watch = Watch(self._loop, shortest)
        self._stopping_since = self._loop.time()

    def __call__(self) -> Protocol:
        return Protocol(
            self, self._http, self._refusals, self._watch, loop=self._loop, **self._options
        )

    def pre_shutdown(self) -> None:
        self._stopping_since = self._loop.time()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:
        # Requests continued while the sockets were closed, and both share the time.
        if timeout is not None:
            timeout = max(0.0, self._stopping_since + timeout - self._loop.time())
        await super().shutdown(timeout)
        self._watch.stop()


class Runner(web.AppRunner):
    """Sets up an application of `create_app`, and the server in front of it."""

    def __init__(self, app: web.Application, **options: Any) -> None:
        # The application writes the access log; its caller handles signals.
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=app[BACKEND].config.shutdown_timeout,
            **options,
        )

    async def _make_server(self) -> Server:
        return Server(self.app, await super()._make_server())
