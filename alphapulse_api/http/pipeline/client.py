"""The client's real address behind trusted proxies."""

from __future__ import annotations

from functools import lru_cache

from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.addresses import Proxies, address_key

_proxies = lru_cache(maxsize=16)(Proxies)


def client_address(request: web.Request) -> str:
    """The last address of the chain that no trusted proxy vouches for, in its canonical form."""
    proxies = _proxies(request.app[BACKEND].config.trusted_proxies)
    return proxies.client(request.remote, request.headers.getall(hdrs.X_FORWARDED_FOR, ()))


def client_key(request: web.Request) -> str:
    """What to count the client under in limits by address: an IPv6 address counts as its /64."""
    return address_key(client_address(request))
