"""The client's real address and scheme behind trusted proxies."""

from __future__ import annotations

from functools import lru_cache

from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.addresses import Proxies, address_key, parse_address

_proxies = lru_cache(maxsize=16)(Proxies)


def client_address(request: web.Request) -> str:
    """The last address of the chain that no trusted proxy vouches for, in its canonical form."""
    proxies = _proxies(request.app[BACKEND].config.trusted_proxies)
    return proxies.client(request.remote, request.headers.getall(hdrs.X_FORWARDED_FOR, ()))


def client_scheme(request: web.Request) -> str:
    """The scheme of the client's URL: http or https, as a trusted proxy states it."""
    proxies = _proxies(request.app[BACKEND].config.trusted_proxies)
    stated = request.headers.get(hdrs.X_FORWARDED_PROTO, "").rpartition(",")[2].strip().lower()
    peer = parse_address(request.remote) if request.remote else None
    return stated if stated in ("http", "https") and peer in proxies else request.scheme


def client_key(request: web.Request) -> str:
    """What to count the client under in limits by address: an IPv6 address counts as its /64."""
    return address_key(client_address(request))
