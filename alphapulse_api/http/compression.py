"""Chooses and applies the content codings of answers (RFC 9110, sections 8.4 and 12.5.3).

Answers use a fast level: a dashboard's JSON shrinks to a tenth at level 1, and little more at
higher levels. Files that are compressed once for many answers use a higher level.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from alphapulse_api.domain.errors import NOT_ACCEPTABLE, Problem
from alphapulse_api.http.negotiation import weights
from alphapulse_api.http.zstd import zstd
from alphapulse_api.runtime.slices import ON_LOOP_BYTES

FAST: Final = 1
MIN_BYTES: Final = 1024  # smaller bodies fit a packet uncompressed
_GZIP: Final = 16 + zlib.MAX_WBITS


class Coding(NamedTuple):
    """The content coding that a client wants.

    Attributes:
        name: gzip or zstd; empty: none.
        always: whether to code small bodies too, because the client refuses uncoded ones.
    """

    name: str
    always: bool = False

    def applies(self, size: int) -> bool:
        """Whether to code a body of `size` bytes."""
        return bool(self.name) and (self.always or size > MIN_BYTES)


PLAIN: Final = Coding("")


class Compressor(Protocol):
    """Codes one body, in pieces."""

    def piece(self, data: bytes) -> bytes:
        """The coded piece, flushed: a client can decode everything up to its end."""
        ...

    def end(self) -> bytes:
        """The last bytes of the body."""
        ...


class _Gzip:
    def __init__(self, level: int) -> None:
        self._stream = zlib.compressobj(level, wbits=_GZIP)

    def piece(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    def __init__(self, level: int) -> None:
        self._stream = zstd.ZstdCompressor(level=level)

    def piece(self, data: bytes) -> bytes:
        return self._stream.compress(data, self._stream.FLUSH_BLOCK)

    def end(self) -> bytes:
        return self._stream.flush()


# The most preferred first.
_CODERS: Final[Mapping[str, Callable[[int], Compressor]]] = (
    {"gzip": _Gzip} if zstd is None else {"zstd": _Zstd, "gzip": _Gzip}
)
_CODERS_OR_NONE: Final = (*_CODERS, "identity")


@lru_cache(maxsize=1024)
def coding_of(accept_encoding: str | None) -> Coding:
    """What an Accept-Encoding header asks for.

    Raises:
        Problem: 406, if it refuses every coding that the server has, and uncoded bodies too.
    """
    named = weights(accept_encoding)
    if "x-gzip" in named:
        named.setdefault("gzip", named["x-gzip"])
    others = named.get("*", 0.0)
    # An uncoded body is acceptable unless it is refused, and preferred only if it is named.
    refused = named.get("identity", named.get("*", 1.0)) == 0
    best, liked = "identity", named.get("identity", 0.0)
    for name in _CODERS:
        weight = named.get(name, others)
        if weight > 0 and (weight > liked or (best == "identity" and weight == liked)):
            best, liked = name, weight
    if best != "identity":
        return Coding(best, refused)
    if refused:
        raise Problem(NOT_ACCEPTABLE, f"Accept {', '.join(_CODERS_OR_NONE)}.")
    return PLAIN


def compressor(name: str, level: int = FAST) -> Compressor:
    """A compressor for one body; `name` is the name of a `Coding`."""
    return _CODERS[name](level)


async def compressed(body: bytes, name: str, level: int = FAST) -> bytes:
    """The whole body, coded; a large one on a thread."""
    if len(body) > ON_LOOP_BYTES:
        return await asyncio.to_thread(_whole, body, name, level)
    return _whole(body, name, level)


def _whole(body: bytes, name: str, level: int) -> bytes:
    stream = compressor(name, level)
    return stream.piece(body) + stream.end()
