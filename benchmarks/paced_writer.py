"""A writer in a separate process, so that the load of other clients does not delay it.

The rate is fixed. The wait of a write counts from the instant at which it was due, so it includes
waiting for an earlier one.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from .harness import BenchmarkError, Server

ABOVE_OTHERS = -10  # niceness; only root may set it


class PacedWriter:
    """Sends single trades to a server, on request."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def start(self, writes: int, a_second: float) -> None:
        """Begin to send that number of trades."""
        self._pipe.send((writes, a_second))

    def waits(self) -> list[float]:
        """The seconds that each of them waited, shortest first; blocks until the last is answered.

        Raises:
            BenchmarkError: if the server refused one.
        """
        answer: list[float] | str = self._pipe.recv()
        if isinstance(answer, str):
            raise BenchmarkError(f"a trade was not stored: {answer}")
        return sorted(answer)


@contextmanager
def paced_writer(server: Server) -> Iterator[PacedWriter]:
    """A writer for that server, for the length of the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_write_when_told, args=(server.host, server.port, server.token, theirs), daemon=True
    )
    process.start()
    try:
        yield PacedWriter(ours)
    finally:
        process.kill()
        process.join()


def _write_when_told(host: str, port: int, token: str, pipe: Connection) -> None:
    with suppress(PermissionError):
        os.nice(ABOVE_OTHERS)
    connection = http.client.HTTPConnection(host, port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    while True:
        writes, a_second = pipe.recv()
        waits: list[float] = []
        began = time.perf_counter()
        for number in range(writes):
            due = began + number / a_second
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", "/api/trades", json.dumps(_trade()), headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 201:
                pipe.send(f"{answer.status} {body.decode()}")
                return
            waits.append(time.perf_counter() - due)
        pipe.send(waits)


def _trade() -> dict[str, str]:
    return {
        "symbol": "SYM1", "side": "buy", "quantity": "1", "price": "187.20",
        "executed_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
