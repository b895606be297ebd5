"""Text frames as a server sends them (RFC 6455, section 5.2), single and joined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

CHUNK: Final = 65_536  # bytes that are joined into one write


def frame(text: bytes) -> bytes:
    """Return one complete, unmasked text frame."""
    size = len(text)
    if size < 126:
        return b"\x81" + bytes((size,)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class Chunks:
    """Joins the frames of many messages into writes of about 64 KiB.

    Attributes:
        done: the joined frames.
    """

    __slots__ = ("_gathered", "_size", "done")

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self._gathered: list[bytes] = []
        self._size = 0

    def add(self, text: bytes) -> None:
        """Frame the next message."""
        framed = frame(text)
        self._gathered.append(framed)
        self._size += len(framed)
        if self._size >= CHUNK:
            self.join()

    def join(self) -> list[bytes]:
        """Join the remaining frames; return all."""
        if self._gathered:
            self.done.append(b"".join(self._gathered))
            self._gathered.clear()
            self._size = 0
        return self.done


def chunks(texts: Iterable[bytes]) -> list[bytes]:
    """Return the joined frames of a few messages."""
    joined = Chunks()
    for text in texts:
        joined.add(text)
    return joined.join()
