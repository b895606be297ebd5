"""Reads the host's calls in the dashboard's process, carries them out in order, and answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.embed.calls import ASIDE, HEALTH, Call, unencodable
from alphapulse_api.embed.faults import described
from alphapulse_api.embed.frames import FrameReader, Kind, body_of, dumps, frame, parts
from alphapulse_api.embed.partitions import Partitions
from alphapulse_api.embed.plain_batches import decode
from alphapulse_api.embed.storing import Reasons, carried_out
from alphapulse_api.record.counting import reasons_in
from alphapulse_api.record.feed import Feed

logger = logging.getLogger(__name__)

Health = Callable[[], Awaitable[dict[str, str]]]

GATHER_SECONDS: Final = 0.05  # batches outcomes: the host has to read each report
READ_BYTES: Final = 1 << 16
WAITING_RECORDS: Final = 20_000  # with more, reading stops, and the host's own bound applies
_AT_ONCE: Final = 3  # chunks of a result that are encoded between two turns of the loop
_LISTED: Final = frozenset({"results", "positions"})  # long members of a result
END_SECONDS: Final = 5.0  # to store what is still queued when the host is gone


class Intake:
    """Carries out the calls of one host.

    Args:
        feed: the feed whose methods are called.
        health: checks the parts of the dashboard.
        writer: sends to the host.
    """

    def __init__(self, feed: Feed, health: Health, writer: asyncio.StreamWriter) -> None:
        self._feed = feed
        self._partitions = Partitions(feed, self)
        self._health = health
        self._writer = writer
        self._settled: list[tuple[int, Reasons]] = []  # not yet reported to the host
        self._asked: set[asyncio.Task[None]] = set()

    async def run(
        self, reader: asyncio.StreamReader, frames: FrameReader, leave: asyncio.Event
    ) -> None:
        """Carry out calls until the stream ends or `leave` is set, then finish the rest."""
        reading = asyncio.create_task(self._read(reader, frames))
        leaving = asyncio.create_task(leave.wait())
        storing = asyncio.create_task(self._partitions.run())
        try:
            await asyncio.wait((reading, leaving, storing), return_when=asyncio.FIRST_COMPLETED)
            self._partitions.end()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await storing
            except TimeoutError:
                logger.error(
                    "%d records could not be stored before the end", self._partitions.records
                )
            self._flush()
            if reading.done():
                reading.result()
        finally:
            for task in (reading, leaving, storing):
                task.cancel()
            await asyncio.gather(reading, leaving, storing, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, frames: FrameReader) -> None:
        while data := await reader.read(READ_BYTES):
            for each in frames.feed(data):
                try:
                    plain = each.kind is Kind.RECORDS
                    call = decode(each.body) if plain else Call.decoded(each.body)
                except Exception as error:
                    # It must not end the process: its successor would be sent the same call.
                    await self._refuse(each.number, error)
                    continue
                if call.method in ASIDE:
                    asked = asyncio.create_task(self._aside(each.number, call))
                    self._asked.add(asked)
                    asked.add_done_callback(self._asked.discard)
                else:
                    self._partitions.put(each.number, call)
            while self._partitions.records > WAITING_RECORDS:
                self._partitions.room.clear()
                await self._partitions.room.wait()

    async def settled(self, calls: Sequence[tuple[int, Call, Reasons]]) -> None:
        """Queue the results of calls without a waiting caller, to report them together."""
        if not self._settled:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._flush)
        self._settled += [(number, reasons) for number, _, reasons in calls]

    def _flush(self) -> None:
        if self._settled:
            settled, self._settled = self._settled, []
            self._writer.write(frame(Kind.SETTLED, 0, body_of([dumps(settled)])))

    async def _aside(self, number: int, call: Call) -> None:
        if call.method == HEALTH:
            await self._write(Kind.RESULT, number, list(_encoded(await self._health())))
            return
        try:
            result = await carried_out(self._feed, call)
        except Exception as error:
            await self.raised(number, call, error)
        else:
            await self.returned(number, call, result)

    async def returned(self, number: int, call: Call, result: Any) -> None:
        """Send a result."""
        chunks = []
        for chunk in _encoded(result):
            chunks.append(chunk)
            if not len(chunks) % _AT_ONCE:
                await asyncio.sleep(0)
        await self._write(Kind.RESULT, number, chunks)

    async def _refuse(self, number: int, error: Exception) -> None:
        logger.error("a call of the host cannot be read: %s: %s", type(error).__name__, error)
        await self._write(Kind.ERROR, number, [dumps(described(unencodable(error)))])

    async def raised(self, number: int, call: Call, error: Exception) -> None:
        """Send an error, unless the dashboard is closed: a successor may carry out the call."""
        if isinstance(error, DashboardClosed):
            return
        await self._write(Kind.ERROR, number, [dumps(described(error))])

    async def _write(self, kind: Kind, number: int, chunks: Sequence[bytes]) -> None:
        # Report earlier outcomes first: the caller may read the counts once it has this result.
        self._flush()
        self._writer.write(frame(kind, number, body_of(chunks)))
        try:
            await self._writer.drain()
        except ConnectionError:
            pass  # the host is gone; `_read` notices


def _encoded(result: Any) -> Iterator[bytes]:
    """The chunks of a result: the reasons of refused records, the head, and any list in parts."""
    yield dumps(reasons_in(result))
    if isinstance(result, list):
        yield dumps(("list", None))
        for part in parts(result):
            yield dumps([dict(record) for record in part])
    elif isinstance(result, dict) and (listed := _LISTED.intersection(result)):
        (name,) = listed
        yield dumps((name, {key: value for key, value in result.items() if key != name}))
        for part in parts(result[name]):
            yield dumps(part)
    else:
        yield dumps(("value", dict(result) if isinstance(result, dict) else result))
