"""The client's real address behind trusted proxies."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

from aiohttp import web

from alphapulse_api.keys import BACKEND


@lru_cache(maxsize=4096)
def _trusted(address: str, proxies: tuple[str, ...]) -> bool:
    try:
        return any(ip_address(address) in ip_network(proxy) for proxy in proxies)
    except ValueError:
        return False


def client_address(request: web.Request) -> str:
    """The last address of the chain that no trusted proxy vouches for.

    X-Forwarded-For is read from its end: what a client wrote into it itself stands further left,
    beyond the first address that is not a proxy of ours.
    """
    address = request.remote or "unknown"
    proxies = request.app[BACKEND].config.trusted_proxies
    if not proxies or not _trusted(address, proxies):
        return address
    # Some proxies add a line of their own below the client's instead of continuing it.
    chain = ",".join(request.headers.getall("X-Forwarded-For", ()))
    for hop in reversed(chain.split(",")):
        if hop.strip():
            address = hop.strip()
        if not _trusted(address, proxies):
            break
    return address
