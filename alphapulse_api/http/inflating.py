"""Decodes bodies in gzip, deflate or zstd (RFC 9110, section 8.4.1; RFC 8878) to their very end.

Our server runs without aiohttp's own decoding (3.14): that takes a gzip or zstd stream which was
cut short for the whole body, and refuses an unknown coding before there is a route.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from alphapulse_api.domain.errors import BAD_REQUEST, Problem
from alphapulse_api.http.zstd import zstd
from alphapulse_api.runtime.slices import Steps

# The longest input that is decoded in one go. The smallest gzip member has 20 bytes, so it holds
# few of them; each is a step of its own.
INPUT_BYTES: Final = 4096
# RFC 9659: a decoder of the content coding may refuse what needs more memory for its window.
ZSTD_WINDOW_LOG: Final = 23
_GZIP: Final = 16 + zlib.MAX_WBITS
_DEFLATE: Final = 8  # the method in the low four bits of a zlib stream's first byte
# zstd's own exception exists only where zstd does.
_ERRORS: Final = (zlib.error,) if zstd is None else (zlib.error, zstd.ZstdError)


class Stream(Protocol):
    """One gzip member, zlib stream or zstd frame."""

    @property
    def eof(self) -> bool:
        """Whether it has ended."""

    def decode(self, data: bytes, most: int) -> tuple[bytes, bytes]:
        """Decode up to `most` bytes; returns them, and the input that was not needed for them."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def decode(self, data: bytes, most: int) -> tuple[bytes, bytes]:
        decoded = self._stream.decompress(data, most)
        return decoded, self._stream.unused_data if self.eof else self._stream.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
        self._stream = zstd.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    def decode(self, data: bytes, most: int) -> tuple[bytes, bytes]:
        # It keeps the input that it has no room for.
        return self._stream.decompress(data, most), self._stream.unused_data


def _gzip(_: bytes) -> Stream:
    return _Zlib(_GZIP)


def _deflate(data: bytes) -> Stream:
    # Some clients leave out the header of zlib.
    return _Zlib(zlib.MAX_WBITS if data[0] & 0x0F == _DEFLATE else -zlib.MAX_WBITS)


def _zstd(_: bytes) -> Stream:
    return _Zstd()


# The names are those of IANA's registry. RFC 9110 wants x-gzip to be read as gzip.
_STREAMS: Final[Mapping[str, Callable[[bytes], Stream]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    **({} if zstd is None else {"zstd": _zstd}),
}
_ALIASES: Final = {"x-gzip": "gzip"}
_MANY: Final = frozenset({"gzip", "zstd"})  # codings whose streams may follow one another
INFLATED: Final = tuple(_STREAMS)


def coding_named(name: str) -> str:
    """The registered name of a coding, in lower case."""
    lowered = name.lower()
    return _ALIASES.get(lowered, lowered)


class Inflater:
    """Decodes one body.

    Args:
        coding: one of `INFLATED`.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream: Stream | None = None
        self._ended = False  # the last stream
        self._input = b""

    def feed(self, data: bytes) -> None:
        """Take the next `INPUT_BYTES` at most, after `inflate` needed more."""
        self._input += data

    def inflate(self, most: int) -> Steps[bytes]:
        """Decode what was fed.

        Returns:
            `most` bytes; fewer if more input is needed.

        Raises:
            Problem: 400 if the input is not what the coding says.
        """
        parts: list[bytes] = []
        room = most
        try:
            while room:
                if self._stream is None:
                    if not self._input:
                        break
                    self._stream = self._next()
                part, self._input = self._stream.decode(self._input, room)
                parts.append(part)
                room -= len(part)
                if self._stream.eof:
                    self._stream, self._ended = None, True
                elif room:
                    break
                yield
        except _ERRORS:
            raise Problem(BAD_REQUEST, self._wrong()) from None
        return b"".join(parts)

    def end(self) -> None:
        """Called when the body has ended and everything was decoded.

        Raises:
            Problem: 400 if the stream has not ended.
        """
        if self._stream is not None or not self._ended:
            detail = (
                f"The body ends before its {self._coding} stream does: it was cut short. "
                "Send the whole stream."
            )
            raise Problem(BAD_REQUEST, detail)

    def _wrong(self) -> str:
        if self._ended:
            return f"The body goes on after the end of its {self._coding} stream."
        wanted = f"{self._coding}, as its Content-Encoding says"
        if self._coding == "zstd":
            wanted += f", with a window of at most {1 << ZSTD_WINDOW_LOG - 20} MiB"
        return f"The body must be {wanted}."

    def _next(self) -> Stream:
        if self._ended and self._coding not in _MANY:
            raise Problem(BAD_REQUEST, self._wrong())
        return _STREAMS[self._coding](self._input)
