"""The sending side of one socket.

Frames that gather within a turn of the loop leave in one write: single deliveries reach 70,000 a
second, and deliveries joined in groups of eight reach 600,000 (docs/performance.md). The writer
bypasses aiohttp's writer and, while the transport buffers nothing, the transport too, whose
bookkeeping takes a tenth of a delivery. aiohttp's writer still sends pings, pongs and close frames.
Both are safe together: they write whole frames, each in one call, on one thread, and bytes that the
transport buffers go first.

A client that reads more slowly than the server sends is lagging. What it has not taken waits in the
backlog (backlog.py), which is bounded in bytes and in age. A client that exceeds a bound is closed
and may resume by cursor.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
from collections.abc import Callable, Sequence
from typing import Final

from alphapulse_api.log.base import Event
from alphapulse_api.sockets.backlog import Backlog, ignore
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.lag_timer import LAG_SECONDS, LagTimer

logger = logging.getLogger(__name__)

HIGH_WATER: Final = 65_536  # bytes in the transport's buffer from which a client is lagging
LOW_WATER: Final = 16_384  # bytes in it up to which it is given more
# How soon a lagging client's buffer is polled again: twice as long after each poll without
# progress, up to the interval of the lag timer.
FIRST_POLL_SECONDS: Final = 0.001


class State(enum.Enum):
    """What happens to the next frame."""

    IDLE = "nothing waits: an event is written at once"
    GATHERING = "frames gather until the end of this turn of the loop"
    LAGGING = "frames wait in the backlog"
    CLOSED = "frames are dropped"


class SocketWriter:
    """Sends frames to one socket, in order.

    Args:
        transport: the socket's.
        max_bytes: live bytes that may wait; the past has its own bound.
        max_age: seconds that a message may wait.
        lag_timer: polls the client while it takes nothing.
        overflowed: called once, when a bound is exceeded.

    Attributes:
        transport: as given.
        direct: the descriptor that events may be written to, in state IDLE; otherwise None.
        state: what happens to the next frame.
    """

    __slots__ = (
        "_backlog",
        "_descriptor",
        "_gathered",
        "_gathered_bytes",
        "_lag_timer",
        "_loop",
        "_max_age",
        "_max_bytes",
        "_overflowed",
        "_pause",
        "_timer",
        "direct",
        "state",
        "transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        max_bytes: int,
        max_age: float,
        lag_timer: LagTimer,
        overflowed: Callable[[], None],
    ) -> None:
        self.transport = transport
        self._descriptor = _descriptor(transport)
        self.direct = self._descriptor
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._lag_timer = lag_timer
        self._overflowed = overflowed
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._backlog = Backlog()
        self._pause = FIRST_POLL_SECONDS
        self._timer: asyncio.TimerHandle | None = None
        self.state = State.IDLE

    def __repr__(self) -> str:
        return f"<SocketWriter {self.state.name} waiting={self.waiting}>"

    @property
    def waiting(self) -> int:
        """Live bytes that wait here and in the transport's buffer."""
        return self._backlog.size + self._gathered_bytes + self.transport.get_write_buffer_size()

    @property
    def backlog(self) -> int:
        """How many messages, and chunks of the past, wait in the backlog."""
        return len(self._backlog)

    def send(self, text: bytes) -> None:
        """Send a message that must arrive, in order."""
        self._send(frame(text))

    def gather_event(self, event: Event, framed: bytes) -> None:
        """Send a live event, in one write with everything else that is sent in this turn."""
        if self.state is State.LAGGING:
            self._wait_events((event,), framed)
        else:
            self._send(framed)

    def replay(self, chunks: Sequence[bytes], released: Callable[[], None] = ignore) -> None:
        """Send joined frames of the past at the client's own pace.

        Args:
            chunks: the frames.
            released: called once, when they no longer wait here.
        """
        self._flush()
        if self.state is State.CLOSED or not chunks:
            released()
            return
        self._backlog.add_past(chunks, released)
        if self.state is State.IDLE:
            self._lag()
            self._hand_over()

    async def caught_up(self) -> None:
        """Wait until no part of the past waits, or the socket is closed."""
        await self._backlog.caught_up.wait()

    async def flushed(self, seconds: float) -> None:
        """Wait until the transport's buffer is empty, for at most `seconds`."""
        for _ in range(round(seconds / LAG_SECONDS)):
            if not self.transport.get_write_buffer_size():
                return
            await asyncio.sleep(LAG_SECONDS)

    def seal(self) -> None:
        """Never conflate newer events with those that wait now."""
        self._backlog.seal()

    def close(self) -> None:
        """Write the gathered frames, drop the backlog, and send nothing more."""
        self._flush()
        self._enter(State.CLOSED)
        self._overflowed = ignore
        self._backlog.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lag_timer.discard(self._hand_over)

    def _enter(self, state: State) -> None:
        """Change the state, and set `direct`, which `broadcast` reads in place of the state."""
        if self.state is not State.CLOSED:
            self.state = state
            self.direct = self._descriptor if state is State.IDLE else None

    # -- a client that keeps up -------------------------------------------------------------------

    def _send(self, framed: bytes) -> None:
        match self.state:
            case State.LAGGING:
                self._backlog.add(framed)
                self._check()
                return
            case State.CLOSED:
                return
            case State.IDLE:
                self._loop.call_soon(self._flush)
                self._enter(State.GATHERING)
        self._gathered.append(framed)
        self._gathered_bytes += len(framed)
        if self._gathered_bytes > HIGH_WATER:
            self._flush()

    def _flush(self) -> None:
        if self.state is State.GATHERING:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._gathered_bytes = 0
            self._enter(State.IDLE)
            self.write(data)

    def write_events(self, events: Sequence[Event], framed: bytes) -> None:
        """Send live events of one channel, at once if nothing waits."""
        if self.state is State.IDLE:
            self.write(framed)
        elif self.state is State.LAGGING:
            self._wait_events(events, framed)
        else:
            self._send(framed)

    def write(self, data: bytes) -> None:
        """Write whole frames, or the rest of them, to a socket in state IDLE."""
        transport = self.transport
        if transport.is_closing():
            return
        if self._descriptor is not None and not transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self._abort(error)
                return
            if sent == len(data):
                return
            data = data[sent:]
        transport.write(data)
        if transport.get_write_buffer_size() > HIGH_WATER:
            self._lag()

    def _abort(self, error: OSError) -> None:
        """Abort the socket: a frame is lost, and only a client that reconnects can get it back."""
        if not isinstance(error, ConnectionError):  # those are caused by the peer
            logger.warning("aborted a socket because a write to it failed: %s", error)
        self.transport.abort()
        self.close()

    # -- a client that lags -----------------------------------------------------------------------

    def _wait_events(self, events: Sequence[Event], framed: bytes) -> None:
        conflate = events[0].channel.conflate
        if conflate is None:
            self._backlog.add(framed)
        else:
            for event in events:
                self._backlog.add_newest(event, conflate(event.data))
        self._check()

    def _check(self) -> None:
        if self.waiting > self._max_bytes:
            self._give_up()

    def _give_up(self) -> None:
        overflowed = self._overflowed
        self.close()
        overflowed()

    def _lag(self) -> None:
        self._enter(State.LAGGING)
        self._pause = FIRST_POLL_SECONDS
        self._poll()

    def _poll(self) -> None:
        if self._timer is not None or self.state is State.CLOSED:
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
        """Give the transport what fits; the client stops lagging when everything is given."""
        if self.state is not State.LAGGING:
            return  # the poll was scheduled in an earlier state
        transport, backlog = self.transport, self._backlog
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
            self._enter(State.IDLE)


def _descriptor(transport: asyncio.Transport) -> int | None:
    """Return the descriptor to write to; None if bytes must pass the transport, as with TLS."""
    plain = transport.get_extra_info("sslcontext") is None
    sock = transport.get_extra_info("socket")
    return sock.fileno() if os.name == "posix" and plain and sock is not None else None
