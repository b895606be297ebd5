"""System samples, and the state of this process itself."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import UNAVAILABLE, Problem
from alphapulse_api.http.route import Call


async def list_system(call: Call) -> Any:
    """Samples of the system's components, oldest first."""
    return await call.view.system.get_system(**call.query)


async def export_system(call: Call) -> Any:
    """Every sample that matches, oldest first, as a file."""
    return await list_system(call)


async def report_system(call: Call) -> Any:
    """Record a sample of the state of a component."""
    return await call.view.feed.report_system(call.body)


async def report_batch(call: Call) -> Any:
    """Record up to 10000 samples, and report the result of each."""
    return await call.view.feed.report_system_batch(call.body, **call.query)


async def prometheus(request: web.Request) -> web.StreamResponse:
    """This process's own figures, in Prometheus' text format."""
    body, content_type = request.app[BACKEND].monitor.exposition()
    return web.Response(
        body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"}
    )


async def healthz(request: web.Request) -> web.StreamResponse:
    """Liveness: the process is running."""
    return _plain({"status": "ok"})


async def readyz(request: web.Request) -> web.StreamResponse:
    """Readiness: whether the database, Redis and the background tasks work."""
    backend = request.app[BACKEND]
    checks = await backend.readiness.checks()
    down = sorted(name for name, state in checks.items() if state != "ok")
    if backend.connections.closing:
        down.append("server")
    if down:
        raise Problem(
            UNAVAILABLE,
            f"Not ready: {', '.join(down)} is down.",
            headers={"Retry-After": "2"},
            checks=checks,
            down=down,
        )
    migrating = backend.backfills.progress
    return _plain({"status": "ok", "checks": checks, "migrating": migrating})


def _plain(content: dict[str, Any]) -> web.Response:
    return web.Response(
        body=dumps(content),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
    )
