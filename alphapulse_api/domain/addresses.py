"""IP addresses as servers and proxies write them, in one form.

One address has many spellings: with a port, in brackets, IPv4 inside IPv6, zeros left out or not.
Code that compares or counts addresses uses the form that this module returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX: Final = "unix:"  # in a list of proxies: peers that connect by a Unix socket (as in nginx)
IPV6_SITE_BITS: Final = 64  # of the prefix; a subscriber may use every address below it (RFC 6177)
MAPPED_BITS: Final = 96  # of the prefix ::ffff:0:0/96 (RFC 4291, section 2.5.5.2)
_LONGEST: Final = 80  # characters: an IPv6 address with its zone, brackets and port

# An IPv6 address with a port has brackets; without them its last group could be read as a port.
_WITH_PORT: Final = re.compile(r"\[([^\[\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5}", re.ASCII)


def parse_address(text: str) -> Address | None:
    """The address in a text, or None if there is none.

    The port, brackets, quotation marks and zone of `"[fe80::1%eth0]:443"` are dropped, and
    `::ffff:192.0.2.1` is `192.0.2.1`.
    """
    return _parse(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address | None:
    text = text.strip().strip('"')
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def address_key(text: str) -> str:
    """The key to count an address under: the same for all addresses that a client can choose from.

    Args:
        text: an address in any spelling, or a word for a peer that has none.

    Returns:
        An IPv4 address as itself, an IPv6 address as its /64, and any other text as it is.
    """
    address = parse_address(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, IPV6_SITE_BITS), strict=False))
    return text if address is None else str(address)


def parse_network(text: str) -> Network:
    """An address or a network such as `10.0.0.0/8`; `::ffff:10.0.0.0/104` gives the same network.

    Raises:
        ValueError: if it is neither, or has bits set behind its prefix.
    """
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - MAPPED_BITS))
    return network


class Proxies:
    """The proxies whose forwarding headers are believed.

    Args:
        proxies: addresses, networks, or `unix:` for peers of a Unix socket.
    """

    __slots__ = ("_networks", "_unix")

    def __init__(self, proxies: Iterable[str]) -> None:
        given = tuple(proxies)
        self._unix = UNIX in given
        self._networks = tuple(parse_network(text) for text in given if text != UNIX)

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, address: Address | None) -> bool:
        """Whether it is a proxy; None is a peer without an address."""
        if address is None:
            return self._unix
        return any(address in network for network in self._networks)

    def client(self, peer: str | None, forwarded_for: Iterable[str]) -> str:
        """The address of the client that a request comes from.

        X-Forwarded-For is read from its end, up to the first address that is not one of the
        proxies: a client may have written anything to the left of it. If a hop is not an address
        (such as `unknown`), the proxy that wrote it counts as the client. Otherwise a client could
        count as a new one with each word that it makes up.

        Args:
            peer: the other end of the connection; None or empty for one of a Unix socket.
            forwarded_for: the values of X-Forwarded-For, in their order.

        Returns:
            The address in its canonical form, or `unknown`.
        """
        address = parse_address(peer) if peer else None
        # A proxy may add a line of its own instead of continuing the one that came in.
        hops = ",".join(forwarded_for).split(",") if self else []
        while hops and address in self:
            hop = hops.pop().strip()
            if not hop:
                continue
            behind = parse_address(hop)
            if behind is None:
                break
            address = behind
        return "unknown" if address is None else str(address)
