"""Where the server listens."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from aiohttp import web

from alphapulse_api.domain.errors import StartupError

EVERY_INTERFACE: Final = "::"
BACKLOG: Final = 128


async def listen(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    """Listen for connections, until the returned server is closed.

    `::` is every interface, by IPv6 and by IPv4, as it is for gunicorn; asyncio would take IPv6
    alone.

    Raises:
        StartupError: if the address cannot be used.
    """
    loop = asyncio.get_running_loop()
    protocols = runner.server
    assert protocols is not None
    try:
        if host == EVERY_INTERFACE and socket.has_dualstack_ipv6():
            listener = socket.create_server(
                (host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
            )
            return await loop.create_server(protocols, sock=listener, backlog=BACKLOG)
        return await loop.create_server(protocols, host, port, backlog=BACKLOG)
    except OSError as error:
        raise StartupError(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from None
