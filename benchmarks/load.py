"""An HTTP load generator that costs much less than any server it drives.

Raw asyncio protocols under uvloop: every connection is kept alive and has exactly one request
in flight. Only the status line and the framing of an answer are parsed, and the length of the body
is compared with the expected one; anything else ends the run with an error.
"""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from .harness import BenchmarkError, Usage

CONNECTIONS = 32
CONNECT_TIMEOUT = 10.0
_OK = b"HTTP/1.1 200 "
_UNCHANGED = b"HTTP/1.1 304 "
_HEAD_END = b"\r\n\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result of one run; times are in seconds."""

    seconds: float
    latencies: array[float]
    server_cpu: float
    """CPU time that the server used in these seconds."""
    stolen: float
    """Time for which the server's core was taken away in these seconds."""
    generator_busy: float
    """Share of the time this process was on the CPU, 0 to 1; near 1 it is the bottleneck."""


def body_length(answer: bytes) -> int | None:
    """The length of the body of one complete HTTP/1.1 answer, None while it is incomplete.

    Raises:
        BenchmarkError: another status than 200 or 304, no framing, or bytes after the answer.
    """
    head = answer.find(_HEAD_END)
    if head < 0:
        return None
    if answer.startswith(_UNCHANGED):
        return 0
    if not answer.startswith(_OK):
        raise BenchmarkError(f"not a 200: {answer[:600].decode('latin-1')}")
    start = head + len(_HEAD_END)
    match = _CONTENT_LENGTH.search(answer, 0, head)
    if match is not None:
        length = int(match[1])
        if len(answer) < start + length:
            return None
        if len(answer) > start + length:
            raise BenchmarkError("the answer goes on after its Content-Length")
        return length
    if _CHUNKED.search(answer, 0, head) is None:
        raise BenchmarkError("neither Content-Length nor chunked")
    return _chunked_length(answer, start)


def _chunked_length(answer: bytes, position: int) -> int | None:
    """The sum of the chunks from `position` on, None if the last one has not come."""
    total = 0
    while (line_end := answer.find(b"\r\n", position)) >= 0:
        size = int(answer[position:line_end].split(b";")[0], 16)
        position = line_end + 2 + size + 2
        if size == 0:
            return total if len(answer) >= position else None
        total += size
    return None


class _Run:
    """The state that the connections of one run share."""

    __slots__ = ("done", "expected", "latencies", "recording", "request")

    def __init__(self, request: bytes, expected: int, done: asyncio.Future[None]) -> None:
        self.request = request
        self.expected = expected
        self.latencies: array[float] = array("d")
        self.recording = False
        self.done = done

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request in flight."""

    __slots__ = ("_received", "_run", "_sent", "_transport")

    _transport: asyncio.WriteTransport

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._sent = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def start(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        run = self._run
        answer = self._received + data if self._received else data
        try:
            length = body_length(answer)
        except (BenchmarkError, ValueError) as error:
            run.fail(error)
            return
        if length is None:
            self._received = answer
            return
        if length != run.expected:
            run.fail(BenchmarkError(f"a body of {length} bytes, expected {run.expected}"))
            return
        self._received = b""
        now = time.perf_counter()
        if run.recording:
            run.latencies.append(now - self._sent)
        self._sent = now
        self._transport.write(run.request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.fail(BenchmarkError(f"the server closed a connection ({exc})"))

    def close(self) -> None:
        self._transport.abort()


async def load(
    host: str,
    port: int,
    request: bytes,
    expected: int,
    *,
    seconds: float,
    warmup: float,
    usage: Callable[[], Usage],
) -> LoadResult:
    """Keep CONNECTIONS requests in flight; measure `seconds` after `warmup` seconds.

    Args:
        request: the complete bytes of one request.
        expected: the length every body must have.
        usage: of the server, read at both ends of the measured time.
    """
    loop = asyncio.get_running_loop()
    run = _Run(request, expected, loop.create_future())
    connections = []
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            for _ in range(CONNECTIONS):
                _, connection = await loop.create_connection(lambda: _Connection(run), host, port)
                connections.append(connection)
        for connection in connections:
            connection.start()
        await _pass(run, warmup)
        run.recording = True
        before = usage()
        begin, own_cpu = time.perf_counter(), time.process_time()
        await _pass(run, seconds)
        run.recording = False
        elapsed, own_cpu = time.perf_counter() - begin, time.process_time() - own_cpu
        after = usage()
        return LoadResult(
            seconds=elapsed,
            latencies=run.latencies,
            server_cpu=after.cpu - before.cpu,
            stolen=after.stolen - before.stolen,
            generator_busy=own_cpu / elapsed,
        )
    finally:
        run.done.cancel()
        for connection in connections:
            connection.close()


async def _pass(run: _Run, seconds: float) -> None:
    """Let the load run for that time; raises a failure of the run at once."""
    await asyncio.wait([run.done], timeout=seconds)
    if run.done.done():
        run.done.result()
