"""Checks the frames that clients send, before aiohttp parses them.

aiohttp accepts frames that RFC 6455 forbids (unmasked, lengths not in the shortest form, invalid
close codes) and answers every ping. The guard is set with `set_protocol` between the transport and
aiohttp's protocol, and reads only frame heads. It costs little: a client sends some messages a
minute, and frames that the server sends do not pass through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from alphapulse_api.domain.errors import FLOODING, PROTOCOL_ERROR, Close
from alphapulse_api.limits import Gcra

# A fragment smaller than this costs more than it carries.
SMALL_FRAGMENT: Final = 512
# Limits pings, pongs and small fragments. Messages have a separate limit (protocol.py).
FRAMES_A_SECOND: Final = 10
FRAME_BURST: Final = 100
PINGS_AND_PONGS: Final = 4  # per interval: each side's ping and its answer, twice
_CONTINUATION, _CLOSE = 0x0, 0x8
_LONGEST_HEAD: Final = 14  # two bytes, eight of the length, four of the mask


class FrameGuard(asyncio.Protocol):
    """Passes on what a client sends until it violates the framing rules.

    Args:
        inner: the protocol that parses the frames.
        early: bytes that arrived right after the handshake and that `inner` already has.
        ping_interval: seconds between the server's pings, whose answers are allowed for.
        clock: monotonic time in seconds.
    """

    __slots__ = ("_early", "_end", "_head", "_inner", "_left", "_limit")

    def __init__(
        self,
        inner: asyncio.Protocol,
        early: bytes,
        ping_interval: float,
        clock: Callable[[], float],
    ) -> None:
        self._inner = inner
        self._early: bytes | None = early  # None once it has started
        self._head = b""  # the part of a frame's head that has arrived
        self._left = 0  # bytes to skip: the rest of a mask and a payload
        self._end: Callable[[Close], None] | None = None  # None before the start and after the end
        rate = FRAMES_A_SECOND + PINGS_AND_PONGS / ping_interval
        self._limit = Gcra(FRAME_BURST, FRAME_BURST / rate, callers=1, clock=clock)

    def __repr__(self) -> str:
        return f"<FrameGuard of {self._inner!r}>"

    def start(self, end: Callable[[Close], None]) -> None:
        """Check the early and all later bytes; `end` is called once, when a rule is violated."""
        early, self._early = self._early, None
        self._end = end
        if early:
            self._check(early)

    def data_received(self, data: bytes) -> None:
        """Pass the data on, unless a frame in it violates a rule."""
        if self._early is not None:
            self._early += data
        elif self._end is None or not self._check(data):
            return
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end = None
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _check(self, data: bytes) -> bool:
        """Return whether the frames whose heads are in the data may pass."""
        position, size = 0, len(data)
        while position < size:
            if self._left:
                passed = min(self._left, size - position)
                self._left -= passed
                position += passed
                continue
            known = len(self._head)
            head = self._head + data[position : position + _LONGEST_HEAD - known]
            length = _head_length(head)
            if len(head) < length:
                self._head = head
                return True
            position += length - known
            self._head = b""
            if (close := self._judge(head[:length])) is not None:
                end, self._end = self._end, None
                if end is not None:
                    end(close)
                return False
        return True

    def _judge(self, head: bytes) -> Close | None:
        """Return the close that a frame's head leads to, if any."""
        size, extended = head[1] & 0x7F, 0
        if size > 125:
            extended = 2 if size == 126 else 8
            size = int.from_bytes(head[2 : 2 + extended], "big")
        minimal = size >= (0, 126, 65_536)[(0, 2, 8).index(extended)]
        if not head[1] & 0x80 or not minimal:
            return PROTOCOL_ERROR
        opcode = head[0] & 0x0F
        self._left = size
        if opcode == _CLOSE:
            if size >= 2:
                self._left -= 2
                mask, masked = head[2:6], head[6:8]
                code = (masked[0] ^ mask[0]) << 8 | (masked[1] ^ mask[1])
                return None if _may_be_sent(code) else PROTOCOL_ERROR
            return None
        final = head[0] & 0x80
        if opcode > _CLOSE or (not final and size < SMALL_FRAGMENT):
            return None if self._limit.take(None).allowed else FLOODING
        return None


def _head_length(head: bytes) -> int:
    """Return the length of the head: up to the mask, and for a close frame up to the code."""
    if len(head) < 2:
        return 2
    size = head[1] & 0x7F
    length = 2 + (0 if size < 126 else 2 if size == 126 else 8)
    if head[1] & 0x80:
        length += 4
        if head[0] & 0x0F == _CLOSE and 2 <= size < 126:
            length += 2
    return length


def _may_be_sent(code: int) -> bool:
    """Return whether a close frame may have the code (RFC 6455, section 7.4; IANA registry)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
