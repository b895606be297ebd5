"""Where the server listens."""

from __future__ import annotations

import socket
from typing import Final

from aiohttp import web

from alphapulse_api.domain.errors import StartupError

EVERY_INTERFACE: Final = "::"
BACKLOG: Final = 128


async def listen(runner: web.AppRunner, host: str, port: int) -> int:
    """Listen, and give the port.

    `::` is every interface, by IPv6 and by IPv4, as it is for gunicorn; asyncio would take IPv6
    alone.

    Raises:
        StartupError: if the address cannot be had.
    """
    try:
        if host == EVERY_INTERFACE and socket.has_dualstack_ipv6():
            listener = socket.create_server(
                (host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
            )
            await web.SockSite(runner, listener, backlog=BACKLOG).start()
        else:
            await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        raise StartupError(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from None
    found: int = runner.addresses[0][1]
    return found
