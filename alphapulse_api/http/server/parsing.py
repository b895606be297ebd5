"""Parses the requests of one connection one by one, so that a malformed one loses none before it.

This uses these private parts of aiohttp's `RequestHandler`: the queue `_messages` of parsed
requests, `_payload_parser` (reads the frames of a WebSocket), `_upgraded` (nothing more is parsed
as HTTP), `_message_tail` (the bytes after a request for an upgrade), `_close` (the connection ends
with the answer) and `_buffer_paused` with its methods (the transport is not read from).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any, Final

from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from alphapulse_api.domain.errors import Problem
from alphapulse_api.http.server.framing import CHUNKED, end_of_body, end_of_head

# Parts parsed in one turn of the loop. A chunked body may have an empty line in every few bytes.
MOST_PARTS: Final = 1000


class ParsingProtocol(RequestHandler):
    """Feeds aiohttp's parser with one head, or one part of a body, at a time (see framing.py)."""

    __slots__ = ("_body", "_head", "_kept", "_left", "_problem")

    def __init__(self, server: web.Server, **more: Any) -> None:
        super().__init__(server, **more)
        # The start of a head that is not complete yet.
        self._head = bytearray()
        # The body that is still arriving; only the newest request can have one.
        self._body: StreamReader | None = None
        # How many bytes of it the parser has not been fed with, or CHUNKED.
        self._left = 0
        # Bytes that arrived while there was no room for more requests, or for more of a body.
        self._kept = b""
        # Why the connection takes no further request.
        self._problem: Problem | None = None

    @abstractmethod
    def _feed(self, data: bytes) -> None:
        """Parse one part of the data, which does not go beyond the end of a head or of a body."""

    def data_received(self, data: bytes) -> None:
        if self._payload_parser is not None:
            RequestHandler.data_received(self, data)
            return
        if not data and not self._problem:
            self._feed(b"")  # aiohttp resumes reading: the parser may have kept a part
        if self._kept:
            data, self._kept = self._kept + data, b""
        start = parts = 0
        while start < len(data) and not (self._close or self._force_close or self._problem):
            if self._is_full():
                self._kept = data[start:]
                return
            if parts == MOST_PARTS:
                self._kept = data[start:]
                self._pause_reading_for_buffer()
                self._loop.call_soon(self._go_on)
                return
            end = self._end_of_part(data, start)
            self._feed(data[start:end])
            start = end
            parts += 1

    def _go_on(self) -> None:
        """Parse the data that was kept because it had too many parts."""
        if self.transport is None:
            return
        if self._buffer_paused and len(self._messages) < self._max_msg_queue_size:
            self._resume_reading_for_buffer()
        self.data_received(b"")

    def _is_full(self) -> bool:
        """Whether parsing must wait until a request, or a part of a body, has been taken."""
        full = len(self._messages) >= self._max_msg_queue_size
        return not self._upgraded and (full or self._reading_paused)

    def _end_of_part(self, data: bytes, start: int) -> int:
        if self._upgraded:
            return len(data)
        if self._body is None:
            return end_of_head(self._head, data, start)
        end = end_of_body(self._left, data, start)
        if self._left != CHUNKED:
            self._left -= end - start
        return end

    def _parse(self, data: bytes) -> None:
        before = len(self._messages)
        RequestHandler.data_received(self, data)
        if before >= self._max_msg_queue_size - 2 and not isinstance(
            self._messages[-1][0], _ErrInfo
        ):
            # With a full queue, the parser pauses before it sees that the last request asks for an
            # upgrade. If it were fed with the next request then, it would drop it.
            RequestHandler.data_received(self, b"")

    def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        if (
            self._upgraded
            and not self._messages
            and self._payload_parser is None
            and self._parser is not None
        ):
            # The upgrade was declined, so the bytes after it are requests. aiohttp would parse them
            # all at once.
            self._parser.set_upgraded(False)
            self._upgraded = False
            tail, self._message_tail = self._message_tail, b""
            if tail:
                self.data_received(tail)
            if self._buffer_paused:
                self._resume_reading_if_drained()
        if self._close and not resp.prepared:
            resp.force_close()  # so that the answer says that the connection closes
        return RequestHandler.finish_response(self, request, resp, start_time)
