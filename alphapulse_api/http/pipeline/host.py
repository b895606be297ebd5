"""Refuses requests for other host names, so that no page reaches the server by DNS rebinding."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import hdrs, web

from alphapulse_api.config import Config
from alphapulse_api.domain.addresses import parse_address
from alphapulse_api.domain.errors import MISDIRECTED, Problem
from alphapulse_api.domain.hosts import AllowedHosts, parse_host

logger = logging.getLogger(__name__)

REMEMBERED: Final = 256
MAX_WARNINGS: Final = 8
MAX_NAME_LENGTH: Final = 253  # of a DNS name

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Hosts:
    """Checks the Host header, and the host of a target that is a whole URL.

    Without `allowed_hosts`, a server that is bound to a loopback address answers requests that come
    in there only if they are for localhost or an IP address. A server that is bound to another
    address answers all requests, because it cannot know the names by which its network reaches it.

    Args:
        config: the configuration of the application.
    """

    def __init__(self, config: Config) -> None:
        self._allowed = AllowedHosts(config.allowed_hosts)
        self._listed = bool(config.allowed_hosts)
        self._open = "*" in config.allowed_hosts or not (self._listed or _is_loopback(config.host))
        self._passed: set[str] = set()  # headers as they are sent
        self._warned: set[str] = set()

    def allows(self, request: web.Request) -> bool:
        """Whether the request is for this server."""
        if self._open:
            return True
        given = _named(request)
        if not given:
            return True  # HTTP/1.0: no browser
        if all(map(self._is_ours, given)):
            return True
        return not self._listed and not _came_in_on_loopback(request)

    def _is_ours(self, given: str) -> bool:
        if given in self._passed:
            return True
        host = parse_host(given)
        if host is None or host not in self._allowed:
            return False
        if len(self._passed) >= REMEMBERED:
            self._passed.clear()
        self._passed.add(given)
        return True

    def refuse(self, request: web.Request) -> Problem:
        """The problem that answers a request for another host."""
        refused = next((name for name in _named(request) if not self._is_ours(name)), "")
        host = parse_host(refused)
        name = "that the request names" if host is None else host.name[:MAX_NAME_LENGTH]
        if name not in self._warned and len(self._warned) < MAX_WARNINGS:
            self._warned.add(name)
            logger.warning(
                "refused a request for the host %s: if it is a name of this server, add it to "
                "allowed_hosts",
                name,
            )
        return Problem(
            MISDIRECTED,
            f"This server does not answer for the host {name}: use localhost, its IP address or a "
            "name in allowed_hosts.",
        )


HOSTS: Final[web.AppKey[Hosts]] = web.AppKey("hosts", Hosts)


@web.middleware
async def host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests for other hosts."""
    hosts = request.app[HOSTS]
    if not hosts.allows(request):
        raise hosts.refuse(request)
    return await handler(request)


def _named(request: web.Request) -> Sequence[str]:
    """The names by which the request calls the server, as they were sent.

    A target that is a whole URL stands for the Host header (RFC 9112, section 3.2.2).
    """
    given: Sequence[str] = request.headers.getall(hdrs.HOST, ())
    if not request.raw_path.startswith(("/", "*")):
        given = (*given, request.url.host_subcomponent or "")
    return given


def _is_loopback(name: str) -> bool:
    """Whether a server that is bound to this address is reached only from this machine."""
    address = parse_address(name)
    if address is not None:
        return address.is_loopback
    parsed = parse_host(name)
    return parsed is not None and parsed.is_local


def _came_in_on_loopback(request: web.Request) -> bool:
    """Whether the local address of the connection is a loopback address.

    Under gunicorn, or in a host's application, only the connection shows the bound address.
    """
    transport = request.transport
    local = None if transport is None else transport.get_extra_info("sockname")
    return isinstance(local, tuple) and _is_loopback(str(local[0]))
