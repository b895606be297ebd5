"""Serving an application of ours: `Runner` takes the place of aiohttp's `AppRunner`.

`serve`, `Dashboard` and the gunicorn worker use it. Mounted into a host's application, or run by
aiohttp's own runner, the application is served by aiohttp's own server: its limits and its answers
to what it cannot parse are the host's.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from alphapulse_api.backend import BACKEND
from alphapulse_api.http.server.protocol import Protocol
from alphapulse_api.http.server.refusals import Refusals

CHECKS: Final = 10  # of a connection within the shortest time-out
LONGEST_TICK: Final = 1.0


class Server(web.Server):
    """aiohttp's server with our protocol, and one timer for all of its connections.

    Attributes:
        watched: the connections that wait for their client, to send or to read.
    """

    def __init__(self, app: web.Application, server: web.Server) -> None:
        super().__init__(
            server.request_handler, request_factory=server.request_factory, loop=server._loop
        )
        self.options = server._kwargs
        self.http = app[BACKEND].config.http
        self.refusals = Refusals(app)
        self.watched: dict[Protocol, None] = {}
        self._stopping_since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        http = self.http
        shortest = min(http.header_timeout, http.body_timeout, http.send_timeout)
        self._tick = min(LONGEST_TICK, shortest / CHECKS)

    def __call__(self) -> Protocol:
        return Protocol(self, loop=self._loop, **self.options)

    def watch(self, protocol: Protocol) -> None:
        """Check the connection regularly until it is removed from `watched`."""
        self.watched[protocol] = None
        if self._timer is None:
            self._schedule(self._loop.time())

    def _schedule(self, now: float) -> None:
        self._due = now + self._tick
        self._timer = self._loop.call_at(self._due, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        # A late loop has not read what arrived meanwhile: wait for the next check.
        if now - self._due < self._tick:
            for protocol in tuple(self.watched):
                protocol.check(now)
        if self.watched:
            self._schedule(now)
        else:
            self._timer = None

    def pre_shutdown(self) -> None:
        self._stopping_since = self._loop.time()
        super().pre_shutdown()

    async def shutdown(self, timeout: float | None = None) -> None:
        # Requests went on while the sockets were closed: both together have the time.
        if timeout is not None:
            timeout = max(0.0, self._stopping_since + timeout - self._loop.time())
        await super().shutdown(timeout)
        if self._timer is not None:
            self._timer.cancel()


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
