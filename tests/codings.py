"""Coded bodies: whole, and cut short where a client may have flushed."""

from __future__ import annotations

import zlib
from typing import Final

from alphapulse_api.http.compression import compressor

# What is sent as the Content-Encoding, by what it is.
CODINGS: Final = {
    "gzip": "gzip",
    "x-gzip": "x-gzip",
    "deflate": "deflate",
    "raw deflate": "deflate",
    "zstd": "zstd",
}
_WBITS: Final = {
    "deflate": zlib.MAX_WBITS,
    "raw deflate": -zlib.MAX_WBITS,
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
}


def coded(data: bytes, coding: str) -> tuple[bytes, bytes]:
    """Everything up to a flush after the data, and the end of the stream.

    Args:
        data: what is coded.
        coding: a key of `CODINGS`.
    """
    if coding == "zstd":
        zstd = compressor("zstd")
        return zstd.piece(data), zstd.end()
    stream = zlib.compressobj(wbits=_WBITS[coding])
    return stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH), stream.flush()


def packed(data: bytes, coding: str) -> bytes:
    """The whole stream; `coding` is a key of `CODINGS`."""
    return b"".join(coded(data, coding))
