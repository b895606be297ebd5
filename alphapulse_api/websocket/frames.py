"""A server's text frames (RFC 6455, section 5.2), single and joined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

CHUNK: Final = 65_536  # bytes that are joined to one write


def frame(text: bytes) -> bytes:
    """One complete, unmasked text frame."""
    size = len(text)
    if size < 126:
        return b"\x81" + bytes((size,)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


def chunks(texts: Iterable[bytes]) -> list[bytes]:
    """The frames of many messages, joined to writes of about 64 KiB."""
    joined: list[bytes] = []
    gathered: list[bytes] = []
    size = 0
    for text in texts:
        framed = frame(text)
        gathered.append(framed)
        size += len(framed)
        if size >= CHUNK:
            joined.append(b"".join(gathered))
            gathered.clear()
            size = 0
    if gathered:
        joined.append(b"".join(gathered))
    return joined
