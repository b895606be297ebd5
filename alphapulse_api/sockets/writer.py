"""How messages leave for one socket.

Frames that gather within a turn of the loop leave in one write: 70,000 single deliveries a second
against 600,000 joined by eight (docs/performance.md). It goes past aiohttp's writer, and, while the
transport holds nothing back, past the transport too: a tenth of a delivery is the transport's own
bookkeeping. That is safe beside aiohttp's writer, which sends pings, pongs and close frames: all
write whole frames, each in one call, on one thread, and what the transport holds goes first.

A client that reads more slowly than it is sent to is lagging: what it has not taken waits in the
backlog (backlog.py), bounded in bytes and in age. Over a bound the client is given up, and may come
back with `since`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from alphapulse_api.log.base import Event
from alphapulse_api.sockets.backlog import Backlog
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.lag_timer import LAG_SECONDS, LagTimer

logger = logging.getLogger(__name__)

HIGH_WATER: Final = 65_536  # bytes in the transport's buffer from which a client is lagging
LOW_WATER: Final = 16_384  # and from which more is handed over
# How soon a lagging client's buffer is looked at again: twice as long each time it took nothing,
# and at last by the sweep.
FIRST_POLL_SECONDS: Final = 0.001


class SocketWriter:
    """The sending side of one socket.

    Args:
        transport: the socket's.
        max_bytes: that may wait, the past left out.
        max_age: seconds that a message may wait.
        sweep: looks at it again while its client takes nothing.
        overflowed: called once, when a bound is passed.
    """

    __slots__ = (
        "_backlog",
        "_closed",
        "_descriptor",
        "_direct",
        "_gathered",
        "_gathered_bytes",
        "_lag_timer",
        "_lagging",
        "_loop",
        "_max_age",
        "_max_bytes",
        "_overflowed",
        "_pause",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        max_bytes: int,
        max_age: float,
        lag_timer: LagTimer,
        overflowed: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._descriptor = _descriptor(transport)
        self._direct = self._descriptor  # the same, or None while something waits here
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._lag_timer = lag_timer
        self._overflowed = overflowed
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._backlog = Backlog()
        self._lagging = False
        self._closed = False
        self._pause = FIRST_POLL_SECONDS
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "lagging" if self._lagging else "open"
        return f"<Outbound {state} waiting={self.waiting}>"

    @property
    def waiting(self) -> int:
        """Bytes that wait here and in the transport's buffer, the past left out."""
        return self._backlog.size + self._gathered_bytes + self._transport.get_write_buffer_size()

    def send(self, text: bytes) -> None:
        """Send a message that must arrive, in its order."""
        framed = frame(text)
        if self._lagging or self._closed:
            self._wait(framed)
        else:
            self._gather(framed)

    def gather_event(self, event: Event, framed: bytes) -> None:
        """Send a live event, in one write with whatever else comes in this turn."""
        if self._lagging or self._closed:
            self._wait_events((event,), framed)
        else:
            self._gather(framed)

    def replay(self, chunks: Sequence[bytes]) -> None:
        """Send joined frames of the past at the client's own pace."""
        if self._closed or not chunks:
            return
        self._backlog.add_past(chunks)
        if not self._lagging:
            self._lag()
            self._hand_over()

    async def caught_up(self) -> None:
        """Wait until nothing of the past waits any more, or the socket is closed."""
        await self._backlog.caught_up.wait()

    async def flushed(self, seconds: float) -> None:
        """Wait until the transport has sent all it was given, or so many seconds."""
        for _ in range(round(seconds / LAG_SECONDS)):
            if not self._transport.get_write_buffer_size():
                return
            await asyncio.sleep(LAG_SECONDS)

    def seal(self) -> None:
        """Put newer events behind what waits now, also where they would be conflated with it."""
        self._backlog.seal()

    def close(self) -> None:
        """Forget what waits; nothing is sent any more."""
        self._flush()
        self._closed = True
        self._overflowed = _nobody
        self._choose_way()
        self._backlog.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lag_timer.discard(self._hand_over)

    # -- a client that reads ----------------------------------------------------------------------

    def _gather(self, framed: bytes) -> None:
        if not self._gathered:
            self._loop.call_soon(self._flush)
            self._direct = None
        self._gathered.append(framed)
        self._gathered_bytes += len(framed)
        if self._gathered_bytes > HIGH_WATER:
            self._flush()

    def _flush(self) -> None:
        if not self._gathered:
            return
        data = b"".join(self._gathered)
        self._gathered.clear()
        self._gathered_bytes = 0
        if not self._closed:
            self._choose_way()
            self._write(data)

    def _choose_way(self) -> None:
        """Events may go straight to the socket only while nothing waits here."""
        waits = self._closed or self._lagging or self._gathered
        self._direct = None if waits else self._descriptor

    def _write_events(self, events: Sequence[Event], framed: bytes) -> None:
        if self._lagging or self._closed:
            self._wait_events(events, framed)
        elif self._gathered:
            self._gather(framed)
        else:
            self._write(framed)

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        if self._descriptor is not None and not transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._on_gap(error)
                return
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)
        if transport.get_write_buffer_size() > HIGH_WATER:
            self._lag()

    def _on_gap(self, error: OSError) -> None:
        """End the socket: a frame is lost, and only a client that reconnects can ask for it."""
        if not isinstance(error, ConnectionError):  # those are the peer's doing
            logger.warning("a socket was cut, since sending to it failed: %s", error)
        self._transport.abort()
        self.close()

    # -- a client that lags -----------------------------------------------------------------------

    def _wait_events(self, events: Sequence[Event], framed: bytes) -> None:
        conflate = events[0].channel.conflate
        if conflate is None:
            self._wait(framed)
        elif not self._closed:
            for event in events:
                self._backlog.add_newest(event, conflate(event.data))
            self._check()

    def _wait(self, framed: bytes) -> None:
        if self._closed:
            return
        self._backlog.add(framed)
        self._check()

    def _check(self) -> None:
        if self.waiting > self._max_bytes:
            self._give_up()

    def _give_up(self) -> None:
        if not self._closed:
            overflowed = self._overflowed
            self.close()
            overflowed()

    def _lag(self) -> None:
        if not self._lagging:
            self._lagging = True
            self._choose_way()
            self._pause = FIRST_POLL_SECONDS
        self._poll()

    def _poll(self) -> None:
        if self._timer is not None or self._closed:
            return
        if self._pause < LAG_SECONDS:
            self._timer = self._loop.call_later(self._pause, self._polled)
            self._pause *= 2
        else:
            self._lag_timer.add(self._hand_over)

    def _polled(self) -> None:
        self._timer = None
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the transport what fits; the client is no longer lagging when all is given."""
        self._flush()
        transport, backlog = self._transport, self._backlog
        while backlog and not transport.is_closing():
            if transport.get_write_buffer_size() > LOW_WATER:
                break
            self._pause = FIRST_POLL_SECONDS
            transport.write(backlog.next_chunk())
        if transport.is_closing():
            self.close()
        elif backlog.age(self._loop.time()) > self._max_age:
            self._give_up()
        elif backlog or transport.get_write_buffer_size() > HIGH_WATER:
            self._poll()
        else:
            self._lagging = False
            self._choose_way()


def broadcast(
    writers: Iterable[SocketWriter], events: Sequence[Event], framed: bytes
) -> list[tuple[SocketWriter, Exception]]:
    """Send live events of one channel to many sockets.

    Args:
        outbounds: of the sockets.
        events: what to send.
        framed: their frames joined, shared by all.

    Returns:
        The sockets to which the events could not be sent, each with the reason.
    """
    faults = []
    write, size = os.write, len(framed)
    for writer in writers:
        try:
            # The common case, written out, and with few looks: among so many sockets each look at
            # another object is one past the processor's cache.
            direct, transport = writer._direct, writer._transport
            if direct is None or transport.is_closing() or transport.get_write_buffer_size():
                writer._write_events(events, framed)
                continue
            try:
                sent = write(direct, framed)
            except OSError:
                sent = 0  # the kernel is full or the peer is gone: a second try will find which
            if not sent:
                writer._write_events(events, framed)
            elif sent != size:
                writer._write(framed[sent:])
        except Exception as error:
            faults.append((writer, error))
    return faults


def _nobody() -> None:
    """Called back in the place of whoever refers to this: a ring (see endpoint.Socket)."""


def _descriptor(transport: asyncio.Transport) -> int | None:
    """The socket to write to directly; None where bytes must pass the transport, as TLS does."""
    plain = transport.get_extra_info("sslcontext") is None
    sock = transport.get_extra_info("socket")
    return sock.fileno() if os.name == "posix" and plain and sock is not None else None
