"""Checks which web pages may open sockets, so that no page abuses its visitor's network."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from alphapulse_api.domain.errors import FORBIDDEN, Problem
from alphapulse_api.domain.hosts import ANY, parse_host, parse_origin

logger = logging.getLogger(__name__)

MAX_WARNINGS: Final = 8
_SHOWN: Final = 300  # characters of a header


class Origins:
    """Compares the Origin of a handshake with its Host, and with the allowed origins.

    Args:
        allowed: origins of other sites; `*` allows any.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        given = tuple(allowed)
        self._any = ANY in given
        self._allowed = frozenset(parse_origin(text) for text in given if text != ANY)
        self._warned: set[tuple[str, str]] = set()

    def check(self, origins: Sequence[str], host: str) -> None:
        """Refuse pages of other sites (RFC 6455, section 10.2).

        Args:
            origins: the values of the Origin header; programs send none.
            host: the value of the Host header.

        Raises:
            Problem: 403.
        """
        if not origins or self._any:
            return
        if len(origins) == 1:
            origin, ours = parse_origin(origins[0]), parse_host(host)
            if origin is not None and origin in self._allowed:
                return
            if origin is not None and ours is not None and origin.is_of(ours):
                return
        page, server = ", ".join(origins)[:_SHOWN], host[:_SHOWN]
        self._warn(page, server)
        raise Problem(
            FORBIDDEN,
            f"A page of the origin {page!r} may not open a socket on {server!r}: an origin must be "
            "the server's own or in cors.allowed_origins.",
        )

    def _warn(self, page: str, server: str) -> None:
        """Log each pair once, up to a limit, because a client can invent any number of pairs."""
        if (page, server) in self._warned or len(self._warned) >= MAX_WARNINGS:
            return
        self._warned.add((page, server))
        logger.warning(
            "refused a socket to a page of the origin %r: the request's Host is %r. If the page is "
            "this server's own, let the proxy pass on the browser's Host; if it is another site's "
            "that may read, add the origin to cors.allowed_origins",
            page,
            server,
        )
