"""Host names and origins as browsers and proxies write them, compared by their meaning."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, NamedTuple

from alphapulse_api.domain.addresses import parse_address

ANY: Final = "*"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII)
_ORIGIN: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.+)", re.ASCII)


class Host(NamedTuple):
    """A Host header (RFC 9110, section 7.2): name in lower case, and its port if it has one."""

    name: str
    port: int | None

    @property
    def is_address(self) -> bool:
        """Whether it is an IP address."""
        return parse_address(self.name) is not None

    @property
    def is_local(self) -> bool:
        """Whether browsers connect it to this machine without asking DNS (RFC 6761, 6.3)."""
        return self.name == "localhost" or self.name.endswith(".localhost")


class Origin(NamedTuple):
    """An Origin header (RFC 6454); without a port it has the default port of its scheme."""

    scheme: str
    name: str
    port: int | None

    def __str__(self) -> str:
        """As browsers send it."""
        plain = self.port is None or self.port == _DEFAULT_PORTS.get(self.scheme)
        return f"{self.scheme}://{self.name}" + ("" if plain else f":{self.port}")

    def is_of(self, host: Host) -> bool:
        """Whether pages that a server of this Host serves have this origin.

        The scheme is not compared, because it differs behind a proxy that ends TLS. A Host without
        a port has the default port of the origin's scheme.
        """
        default = _DEFAULT_PORTS.get(self.scheme)
        return (self.name, self.port) == (host.name, default if host.port is None else host.port)


@lru_cache(maxsize=1024)
def parse_host(text: str) -> Host | None:
    """The host in a text, or None if there is none. `Example.COM.:443` is `example.com`, 443."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    name, port = match[1].lower(), match[2]
    if name.startswith("["):
        try:
            name = f"[{ip_address(name[1:-1])}]"
        except ValueError:
            return None
    name = name.removesuffix(".")
    if not name or (port is not None and int(port) > 65_535):
        return None
    return Host(name, None if port is None else int(port))


@lru_cache(maxsize=1024)
def parse_origin(text: str) -> Origin | None:
    """The origin in a text, or None if there is none, as in `null`."""
    match = _ORIGIN.fullmatch(text)
    host = None if match is None else parse_host(match[2])
    if match is None or host is None:
        return None
    scheme = match[1].lower()
    port = _DEFAULT_PORTS.get(scheme) if host.port is None else host.port
    return Origin(scheme, host.name, port)


class AllowedHosts:
    """The names under which a server answers.

    They prevent DNS rebinding: evil.example points its name at 127.0.0.1, or at an address in the
    visitor's network, and the browser treats the server there as evil.example. The Host header is
    then evil.example. An IP address or localhost cannot be rebound.

    Args:
        names: host names, `*.example.com` for every name below example.com, or `*` for any.
    """

    __slots__ = ("_any", "_names", "_suffixes")

    def __init__(self, names: Iterable[str]) -> None:
        given = [name.lower() for name in names]
        self._any = ANY in given
        self._suffixes = tuple(name[1:] for name in given if name.startswith("*."))
        self._names = frozenset(given)

    def __contains__(self, host: Host) -> bool:
        return (
            self._any
            or host.is_address
            or host.is_local
            or host.name in self._names
            or host.name.endswith(self._suffixes)
        )
