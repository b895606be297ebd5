"""Large answers, written in pieces.

A single write copies as much of the body as the kernel accepts, which is megabytes, and the event
loop waits for it. Between two pieces other tasks get their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

PIECE_BYTES: Final = 256 * 1024  # about 0.1 ms


class LargeBody(Payload):
    """The body of an answer that is written in pieces."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = body

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self._body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text."""
        return self._body.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the whole body."""
        await write_pieces(writer.write, self._body)


async def write_pieces(write: Callable[[memoryview], Awaitable[None]], data: bytes) -> None:
    """Write the data in pieces, each when the client has room for it."""
    view = memoryview(data)
    for at in range(0, len(view), PIECE_BYTES):
        await write(view[at : at + PIECE_BYTES])
        await asyncio.sleep(0)


def split_large_body(response: web.StreamResponse) -> None:
    """Make a response that is not sent yet write its body in pieces, if the body is large."""
    if isinstance(response, web.Response):
        body = response.body
        if isinstance(body, bytes) and len(body) > PIECE_BYTES:
            response.body = LargeBody(body)
