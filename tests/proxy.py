"""A network that fails on request: a TCP proxy that cuts connections, freezes, and moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK = 65_536


class Proxy:
    """Stands before a server.

    Attributes:
        target: URL of the server, or the path of its socket; may be changed at any time, for the
            next connections.
        cuts: connections that were cut at their offset.
        connections: connections taken.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.cuts = 0
        self.connections = 0
        self._offsets: Iterator[int] = iter(())
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._arrival = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut_at(self, offsets: Iterable[int]) -> None:
        """Reset each next connection once so many bytes have gone to the client; then no more."""
        self._offsets = iter(offsets)

    def cut(self) -> None:
        """Reset every connection now."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def freeze(self) -> None:
        """Forward nothing more; connections stay open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Forward again."""
        self._flowing.set()

    async def connected(self, count: int) -> None:
        """Wait until so many connections have been taken in all."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self.connections >= count)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self._flowing.set()
        self.cut()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        async with self._arrival:
            self._arrival.notify_all()
        offset = next(self._offsets, None)
        self._writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            answers, onward = await self._onward()
            self._writers.add(onward)
            pumps = [
                asyncio.create_task(self._pump(reader, onward)),
                asyncio.create_task(self._pump(answers, writer, offset)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the server is away: the client sees a reset
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.transport.abort()
                    self._writers.discard(end)

    async def _onward(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.target.startswith("/"):
            return await asyncio.open_unix_connection(self.target)
        target = urlsplit(self.target)
        return await asyncio.open_connection(target.hostname, target.port)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left: int | None = None,
    ) -> None:
        writer.transport.set_write_buffer_limits(0)  # drained means: given to the kernel
        while data := await reader.read(CHUNK):
            await self._flowing.wait()
            writer.write(data if left is None else data[:left])
            await writer.drain()
            if left is not None:
                left -= len(data)
                if left <= 0:
                    self.cuts += 1
                    return


@asynccontextmanager
async def proxied(target: str) -> AsyncIterator[Proxy]:
    """A proxy before that server."""
    proxy = Proxy(target)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
