"""HTTP spoken byte by byte, for what no client library would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from multidict import CIMultiDict

from tests.waiting import SECONDS


class RawAnswer(NamedTuple):
    """One answer as it came over the wire."""

    line: str
    headers: CIMultiDict[str]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line.split()[1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        # A server that has refused may have closed already.
        with suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self) -> RawAnswer:
        """The next answer."""
        async with asyncio.timeout(SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            line, *lines = head.strip().split("\r\n")
            headers = CIMultiDict(name.split(": ", 1) for name in lines)
            body = await self._reader.readexactly(int(headers.get("Content-Length", 0)))
        return RawAnswer(line, headers, body)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(SECONDS):
            return await self._reader.read()


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[Connection]:
    """Connect to the server of a URL."""
    split = urlsplit(url)
    reader, writer = await asyncio.open_connection(split.hostname, split.port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(url: str, data: bytes) -> RawAnswer:
    """Send on a new connection, read one answer, and see the server close."""
    async with connection(url) as peer:
        await peer.send(data)
        answer = await peer.answer()
        assert await peer.rest() == b""
        return answer
