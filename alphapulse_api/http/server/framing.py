"""Finds where heads and bodies end in the bytes of a connection.

aiohttp's parser is fed with one part at a time, and no part goes beyond the end of a head or of a
body. If it is fed with more, the parser loses what it has parsed when a later head in the same data
is malformed, and drops what follows a request for an upgrade that it does not support.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs
from aiohttp.http_parser import RawRequestMessage

# The parser also accepts 0.9 and 2.0, and aiohttp would answer in them.
VERSIONS: Final = (HttpVersion11, HttpVersion10)
HEAD_END: Final = b"\r\n\r\n"
CHUNKED: Final = -1  # as the size of a body
# Bytes of a chunked body in addition to its data: sizes, extensions, trailers. A chunk of one byte
# takes five of them; up to a megabyte of data may be on its way through the parser.
FRAMING_SPARE: Final = 1 << 20
FRAMING_SHARE: Final = 16
_PROTOCOLS: Final = (b" HTTP/1.1", b" HTTP/1.0")
_OVERLAP: Final = len(HEAD_END) - 1
_NEWLINES: Final = re.compile(rb"[\r\n]{1,3}")


def end_of_head(begun: bytearray, data: bytes, start: int) -> int:
    """Where a head ends that may have begun in earlier data.

    Args:
        begun: the bytes of the head that arrived earlier.
        data: the bytes that arrived now.
        start: where the head, or the rest of it, begins in the data.

    Returns:
        The position after the head; the length of the data if the head is not complete.
    """
    if begun:
        seam = bytes(begun[-_OVERLAP:])
        found = (seam + data[start : start + _OVERLAP]).find(HEAD_END)
        if found >= 0:
            return start + found + len(HEAD_END) - len(seam)
    return _behind(HEAD_END, data, start)


def end_of_body(size: int, data: bytes, start: int) -> int:
    """Where the next part of a body ends.

    Args:
        size: how many bytes the rest of the body has, or `CHUNKED`.
        data: the bytes that arrived.
        start: where the rest of the body begins in the data.

    Returns:
        A position no later than the end of the body.
    """
    if size != CHUNKED:
        return min(start + size, len(data))
    # A chunked body ends with an empty line, as a head does. If the empty line is inside a chunk,
    # this is only a part of the body, and the next part follows. The empty line may have begun in
    # earlier data.
    if start == 0 and (newlines := _NEWLINES.match(data)) is not None:
        return newlines.end()
    return _behind(HEAD_END, data, start)


def is_http(head: bytes) -> bool:
    """Whether a head's first line names HTTP: the parser accepts RTSP and ICE too."""
    line = head.lstrip(b"\r\n").partition(b"\r\n")[0]
    return line.endswith(_PROTOCOLS)


def size_of_body(message: RawRequestMessage) -> int:
    """How many bytes the body of a request has, or `CHUNKED`."""
    return CHUNKED if message.chunked else int(message.headers.get(hdrs.CONTENT_LENGTH, 0))


def _behind(mark: bytes, data: bytes, start: int) -> int:
    found = data.find(mark, start)
    return len(data) if found < 0 else found + len(mark)
