"""Where the heads of requests end in the bytes of a connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http_parser import RawRequestMessage

# The parser also takes 0.9 and 2.0, and aiohttp would answer in them.
VERSIONS: Final = (HttpVersion11, HttpVersion10)
HEAD_END: Final = b"\r\n\r\n"
_UPGRADE: Final = re.compile(rb"\nupgrade[ \t]*:", re.IGNORECASE)


def split_behind_upgrades(data: bytes) -> Iterator[bytes]:
    """Split the data so that each head with an Upgrade header ends a part.

    The parser stops behind the head of a request that asks for an upgrade. If the upgrade is not to
    WebSocket, it drops the rest of what it was fed with: the next request.
    """
    while (found := _UPGRADE.search(data)) is not None:
        end = data.find(HEAD_END, found.start())
        if end < 0:
            break
        end += len(HEAD_END)
        yield data[:end]
        data = data[end:]
    if data:
        yield data


def size_of(message: RawRequestMessage) -> int:
    """How many bytes the headers of a request had."""
    return sum(len(name) + len(value) + 4 for name, value in message.raw_headers)


def ends_upgrade(data: bytes) -> bool:
    """Whether the data ends where the head with the first Upgrade header in it ends."""
    found = _UPGRADE.search(data)
    return found is not None and data.find(HEAD_END, found.start()) == len(data) - len(HEAD_END)
