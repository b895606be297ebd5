"""The host's calls in the dashboard's process: read, carried out in their order, answered."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.embed.calls import LANES, Call, lane_of
from alphapulse_api.embed.faults import described
from alphapulse_api.embed.frames import FrameReader, Kind, body_of, dumps, frame, parts
from alphapulse_api.embed.storing import (
    Numbered,
    Reasons,
    carried_out,
    is_merged,
    next_run,
    reasons_in,
    stored_alone,
    stored_each,
)
from alphapulse_api.record.feed import Feed

logger = logging.getLogger(__name__)

READ_BYTES: Final = 1 << 16
WAITING_RECORDS: Final = 20_000  # beyond them nothing is read; the host's bound does the rest
RETRY_SECONDS: Final = 0.5
END_SECONDS: Final = 5.0  # for what still waits when the host is gone


class _Lane:
    """Calls that wait for those before them."""

    __slots__ = ("calls", "work")

    def __init__(self) -> None:
        self.calls: deque[Numbered] = deque()
        self.work = asyncio.Event()


class Intake:
    """Carries out the calls of one host.

    Args:
        feed: whose methods are called.
        writer: to the host.
    """

    def __init__(self, feed: Feed, writer: asyncio.StreamWriter) -> None:
        self._feed = feed
        self._writer = writer
        self._lanes = {lane: _Lane() for lane in LANES}
        self._records = 0  # in these lanes
        self._room = asyncio.Event()
        self._ended = False

    async def run(
        self, reader: asyncio.StreamReader, frames: FrameReader, leave: asyncio.Event
    ) -> None:
        """Carry out what comes, until the host ends the stream or `leave` is set; then the rest."""
        reading = asyncio.create_task(self._read(reader, frames))
        leaving = asyncio.create_task(leave.wait())
        storing = asyncio.gather(*(self._store(lane) for lane in self._lanes.values()))
        try:
            await asyncio.wait((reading, leaving, storing), return_when=asyncio.FIRST_COMPLETED)
            self._ended = True
            for lane in self._lanes.values():
                lane.work.set()
            try:
                async with asyncio.timeout(END_SECONDS):
                    await storing
            except TimeoutError:
                logger.error("%d records could not be stored before the end", self._records)
        finally:
            for task in (reading, leaving, storing):
                task.cancel()
            await asyncio.gather(reading, leaving, storing, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, frames: FrameReader) -> None:
        while data := await reader.read(READ_BYTES):
            for each in frames.feed(data):
                call = Call.decoded(each.body)
                lane = self._lanes[lane_of(call.method)]
                lane.calls.append((each.number, call))
                self._records += call.count
                lane.work.set()
            while self._records > WAITING_RECORDS:
                self._room.clear()
                await self._room.wait()

    async def _store(self, lane: _Lane) -> None:
        while True:
            if not lane.calls:
                if self._ended:
                    return
                lane.work.clear()
                await lane.work.wait()
                continue
            run = next_run(lane.calls)
            if is_merged(run[0][1]):
                await self._settle(lane, run, partial(stored_each, self._feed, run))
            else:
                await asyncio.gather(*(self._carry_out(lane, number, call) for number, call in run))
            self._records -= sum(call.count for _, call in run)
            self._room.set()

    async def _carry_out(self, lane: _Lane, number: int, call: Call) -> None:
        if not call.waits:

            async def alone() -> list[Reasons]:
                return [await stored_alone(self._feed, call)]

            await self._settle(lane, [(number, call)], alone)
            return
        try:
            result = await carried_out(self._feed, call)
        except Exception as error:
            self._write(Kind.ERROR, number, [dumps(described(error))])
        else:
            self._write(Kind.RESULT, number, _encoded(result))
        await self._drain()

    async def _settle(
        self,
        lane: _Lane,
        run: Sequence[Numbered],
        store: Callable[[], Awaitable[list[Reasons]]],
    ) -> None:
        while True:
            try:
                reasons = await store()
                break
            except Unavailable as error:
                self._refuse_those_who_wait(lane, error)
                await asyncio.sleep(RETRY_SECONDS)
        settled: list[tuple[int, Reasons]] = [
            (number, refused) for (number, _), refused in zip(run, reasons, strict=True)
        ]
        self._write(Kind.SETTLED, 0, [dumps(settled)])
        await self._drain()

    def _refuse_those_who_wait(self, lane: _Lane, error: Unavailable) -> None:
        """Answer callers at once whose calls stand behind one that cannot be stored now."""
        fault = dumps(described(error))
        kept: deque[Numbered] = deque()
        for number, call in lane.calls:
            if call.waits:
                self._write(Kind.ERROR, number, [fault])
                self._records -= call.count
            else:
                kept.append((number, call))
        lane.calls = kept

    def _write(self, kind: Kind, number: int, chunks: Sequence[bytes]) -> None:
        self._writer.write(frame(kind, number, body_of(chunks)))

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError:
            pass  # the host is gone: the end of its stream says so


def _encoded(result: Any) -> list[bytes]:
    """The chunks of a result: why records of it were refused, its head, and a list in parts."""
    return [dumps(reasons_in(result)), *_content(result)]


def _content(result: Any) -> Iterator[bytes]:
    if isinstance(result, list):
        yield dumps(("list", None))
        for part in parts(result):
            yield dumps([dict(record) for record in part])
    elif isinstance(result, dict) and "results" in result:
        yield dumps(("batch", {name: value for name, value in result.items() if name != "results"}))
        for part in parts(result["results"]):
            yield dumps(part)
    else:
        yield dumps(("value", dict(result) if isinstance(result, dict) else result))
