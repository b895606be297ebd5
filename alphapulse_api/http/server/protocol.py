"""One connection: aiohttp's protocol with time-outs, and with refusals in the application's form.

aiohttp 3.14 has no time-out for a head or a body, and answers what its parser refuses as plain
text that repeats the input. This class adds both. It uses these private parts of aiohttp's
`RequestHandler`: the queue `_messages` of parsed requests, `_waiter` (set while the connection
waits for a request) and `_upgraded` (a WebSocket has taken the connection over).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestPayloadError, _ErrInfo

from alphapulse_api.config import HttpConfig
from alphapulse_api.domain.errors import BAD_REQUEST, REQUEST_TIMEOUT, Problem
from alphapulse_api.http.server.framing import (
    CHUNKED,
    FRAMING_SHARE,
    FRAMING_SPARE,
    VERSIONS,
    size_of_body,
)
from alphapulse_api.http.server.parsing import ParsingProtocol
from alphapulse_api.http.server.refusals import Refusals
from alphapulse_api.http.server.watch import Watch

LINGER_SECONDS: Final = 2.0  # for a refused client to read the answer before the connection closes
CANCEL_SECONDS: Final = 0.5  # for a handler to end, once without its client and once cancelled
# Requests that end with their client: nobody needs the answer, and nothing is left half done.
CANCELLED: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


class Protocol(ParsingProtocol):
    """One connection, checked by `watch` while it waits for its client.

    `refusals` answers what the handler of requests never sees.
    """

    __slots__ = (
        "_fed", "_gone", "_limits", "_received", "_refusals", "_since", "_unsent", "_unsent_since",
        "_waits",
    )  # fmt: skip

    def __init__(
        self, server: web.Server, limits: HttpConfig, refusals: Refusals, watch: Watch, **more: Any
    ) -> None:  # fmt: skip
        # aiohttp reads on for this long if an answer came before the end of its request's body.
        more = {"lingering_time": LINGER_SECONDS, **more}
        super().__init__(server, **more, auto_decompress=False)  # see http/inflating.py
        self._limits = limits
        self._refusals = refusals
        self._waits = watch
        # When the head began, or the last part of the body arrived, on the loop's clock.
        self._since = 0.0
        # How many bytes of the body had arrived at that time.
        self._received = 0
        # How many bytes of a chunked body arrived, including those that frame it.
        self._fed = 0
        # How many bytes waited for the client when it last took some, and when that was.
        self._unsent = 0
        self._unsent_since = 0.0
        self._gone: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._waits.discard(self)
        self._body = None  # breaks the reference cycle
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        task, request = self._task_handler, self._current_request
        super().connection_lost(exc)
        if task is None or request is None or self._upgraded:
            return
        if request.method in CANCELLED:
            task.cancel()

    def _feed(self, data: bytes) -> None:
        messages = self._messages
        before = len(messages)
        self._parse(data)
        if len(messages) > before:
            message, payload = messages[-1]
            # Most requests have no body and come in one packet: there is nothing to wait for.
            if (
                payload is not EMPTY_PAYLOAD
                or self in self._waits
                or isinstance(message, _ErrInfo)
                or message.version not in VERSIONS
                or message.path[0] != "/"
                or "#" in message.path
                or data.find(b" HTTP/1.", 0, data.find(b"\r\n")) < 0
                or hdrs.TRANSFER_ENCODING in message.headers
                or len(data) > self._limits.max_head_size
            ):
                self._take(data)
        elif self._body is not None:
            # Bytes that frame the body, such as the digits of a chunk's size, are no progress.
            if self._body.total_bytes > self._received:
                self._received = self._body.total_bytes
                self._since = self._loop.time()
            if self._body.is_eof():
                self._rest()
            elif self._left == CHUNKED:
                self._framed(len(data))
        elif not self._upgraded:
            self._begin(data)

    def _framed(self, size: int) -> None:
        """Count a part of a chunked body, and refuse too many bytes in addition to its data."""
        assert self._body is not None
        self._fed += size
        if self._fed > FRAMING_SPARE + FRAMING_SHARE * self._body.total_bytes:
            detail = "The chunks of the body have too many bytes beside their data."
            self._refuse(Problem(BAD_REQUEST, detail), b"")

    def _take(self, data: bytes) -> None:
        """Called when the head of a request is complete or was refused."""
        message, payload = self._messages[-1]
        if isinstance(message, _ErrInfo):
            self._messages.pop()
            self._refuse(self._refusals.problem_of(message.exc), data)
            return
        problem = self._refusals.problem_with(message, bytes(self._head) + data)
        if problem is not None:
            self._messages.pop()
            self._refuse(problem, data)
            return
        if self._head:
            self._head = bytearray()
        if payload.is_eof():
            self._rest()
        else:
            self._body = payload
            self._left = size_of_body(message)
            self._received = payload.total_bytes
            self._fed = 0
            self._watch()

    def _begin(self, data: bytes) -> None:
        """Called when a part of a head has arrived."""
        if not self._head:
            data = data.lstrip(b"\r\n")  # some clients send an empty line after a body
            if not data:
                return
            self._watch()
        self._head += data
        if len(self._head) > self._limits.max_head_size:
            self._refuse(self._refusals.head_too_large(), b"")

    def _watch(self) -> None:
        """Wait for more of a head or of a body, from now on."""
        self._since = self._loop.time()
        self._waits.add(self)

    def _rest(self) -> None:
        """Stop waiting for more of a request."""
        self._body = None
        if not self._paused:
            self._waits.discard(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = 0
        self._waits.add(self)

    def check(self, now: float) -> None:
        """End what takes too long; the server's timer calls this while the connection waits."""
        if self._upgraded:
            self._waits.discard(self)  # sockets have limits of their own
        elif self._paused and self._is_unread(now):
            assert self.transport is not None
            self.transport.abort()
        else:
            self._check_request(now)

    def _is_unread(self, now: float) -> bool:
        """Whether the client has taken nothing of an answer for too long."""
        unsent = 0 if self.transport is None else self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return unsent > 0 and now - self._unsent_since >= self._limits.send_timeout

    def _check_request(self, now: float) -> None:
        http = self._limits
        if self._body is not None:
            if self._body.is_eof():
                self._rest()
            elif self._reading_paused or self._buffer_paused:
                self._since = now  # the delay is ours
            elif now - self._since >= http.body_timeout:
                detail = f"No part of the body arrived for {http.body_timeout:g} s."
                self._problem = Problem(REQUEST_TIMEOUT, detail)
                self._end_body(self._problem)
        elif self._waiter is None or self._problem is not None:
            self._since = now  # an earlier request is being answered
        elif self._request_count and not self._head:
            self._rest()  # idle between two requests
        elif now - self._since >= http.header_timeout:
            if self._head:
                detail = f"The headers must be complete within {http.header_timeout:g} s."
                self._refuse(Problem(REQUEST_TIMEOUT, detail), b"")
            else:
                self.force_close()  # nothing was asked, so nothing is answered

    def _end_body(self, error: BaseException) -> None:
        """End the body that is arriving; its reader gets the error."""
        body = self._body
        assert body is not None
        self._rest()
        body.set_exception(error)
        # Otherwise aiohttp would read and drop the rest of it after the answer.
        body.feed_eof()
        if self._messages:  # the request with the body waits behind others
            message, _ = self._messages[-1]
            assert not isinstance(message, _ErrInfo)
            self._messages[-1] = (message._replace(should_close=True), body)
        else:
            self._close = True

    def _refuse(self, problem: Problem, data: bytes) -> None:
        """Accept nothing further; answer with the problem after the requests that wait."""
        self._waits.discard(self)
        self._problem = problem
        if self._body is not None and not self._body.is_eof():
            # Only the body cannot be parsed; its request has its own answer to come.
            self._end_body(RequestPayloadError(problem.detail))
            return
        self._head += data[: self._limits.max_head_size]
        error = _ErrInfo(status=problem.kind.status, exc=problem, message=problem.detail)
        self._messages.append((error, EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _make_error_handler(
        self, err_info: _ErrInfo
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def refuse(_: web.BaseRequest) -> web.StreamResponse:
            assert self._problem is not None
            return self._refusals.answer(self, self._problem, bytes(self._head))

        return refuse

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0 or self.transport is None:
            raise ConnectionError("the answer has begun, or the client has disconnected")
        return self._refusals.failed(self, exc)

    def _process_keepalive(self) -> None:
        if self._head:
            self._keepalive_handle = None  # the next request has begun, and has its own time limit
        else:
            super()._process_keepalive()

    async def linger(self) -> None:
        """Let the client read the last answer; drop what it still sends.

        A connection that is closed with bytes unread is reset, and the answer may be lost.
        """
        transport = self.transport
        if transport is None:
            return
        if transport.can_write_eof():
            transport.write_eof()
        self._gone = self._loop.create_future()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._gone

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """End the connection after its request; aiohttp waits twice `timeout` seconds."""
        task = self._task_handler
        if task is not None and not task.done() and self._request_in_progress:
            await asyncio.wait({task}, timeout=timeout)
        if self.transport is not None and self._request_in_progress:
            self.transport.abort()
        await super().shutdown(CANCEL_SECONDS)
