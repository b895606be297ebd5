"""Entry `loop_stalls`: how long each hostile request holds the loop of a server.

A ticker in the server's loop is due every millisecond. The table compares its worst lateness with
that of an idle server. On a shared machine an idle server is late too, so the second figure leaves
out the time in which the server's process did not run.
"""

from __future__ import annotations

import argparse
import mmap
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.hostile import MEBI, Hostile, Sender, hostile_requests, raw

from .harness import LOAD_CORE, BenchmarkError, pin, running
from .report import print_environment, print_table

AIM: Final = 0.010  # seconds
IDLE: Final = 2.0  # seconds
TRIES: Final = 3
_ASKED: Final = struct.Struct("?dd")
# Large answers with the records that the valid requests before have stored, requested last.
LARGE_ANSWERS: Final = (
    "/api/trades?limit=10000",
    "/api/trades?format=csv",
    "/api/trades?format=ndjson",
    "/api/trades?format=arrow",
    "/api/metrics/risk?limit=10000",
    "/api/metrics/risk?format=csv",
    "/api/portfolio?include_history=true&max_points=11000",
)


class Shared:
    """A few bytes that the server and the benchmark both see."""

    def __init__(self, folder: Path) -> None:
        path = folder / "lateness"
        if not path.exists():
            path.write_bytes(bytes(_ASKED.size))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), _ASKED.size)

    @property
    def asked(self) -> bool:
        """Whether the benchmark waits for an answer."""
        return bool(self._bytes[0])

    def answer(self, wall: float, own: float) -> None:
        """Report how late the loop was since the last answer."""
        self._bytes[:] = _ASKED.pack(False, wall, own)

    def ask(self) -> tuple[float, float]:
        """How late the loop was since the last call, in seconds.

        Raises:
            BenchmarkError: if the loop is held for longer than 30 s.
        """
        self._bytes[0] = 1
        deadline = time.monotonic() + 30
        while self.asked:
            if time.monotonic() > deadline:
                raise BenchmarkError("the server's loop is held for longer than 30 s")
            time.sleep(0.002)
        _, wall, own = _ASKED.unpack(self._bytes[:])
        return wall, own


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="bodies of 1 MiB instead of 8")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("aiohttp", "marshmallow", "orjson")
    size = MEBI if arguments.quick else 8 * MEBI
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory() as folder:
        shared = Shared(Path(folder))
        with (
            running("watched", folder) as http,
            Sender(http.host, http.port, Path(folder)) as sender,
        ):
            shared.ask()
            time.sleep(IDLE)
            idle = shared.ask()
            head = {"Authorization": f"Bearer {http.token}"}
            worst: dict[str, tuple[float, float, str, int]] = {}
            for request in _requests(size):
                wall, own, status = _stall(request, head, sender, shared)
                # Fields are counted together: "tags: empty texts" becomes "a field: empty texts".
                field, colon, rest = request.shape.rpartition(": ")
                shape = f"{field and 'a field'}{colon}{rest}{request.coding and ', gzip'}"
                if shape not in worst or own > worst[shape][1]:
                    worst[shape] = (wall, own, f"{request.method} {request.path}", status)
    rows = [["nothing", "", "", _ms(idle[0]), _ms(idle[1]), ""]]
    for shape, (wall, own, route, status) in sorted(worst.items(), key=lambda kv: -kv[1][1]):
        judged = "met" if own <= AIM else "MISSED"
        rows.append([shape, route, f"{status}", _ms(wall), _ms(own), judged])
    print("\nThe longest stall of the loop in ms, by the worst route of each shape\n")
    print_table(("request", "route", "answer", "late", "by itself", "aim"), rows)


def _requests(size: int) -> Iterator[Hostile]:
    yield from hostile_requests(size)
    for path in LARGE_ANSWERS:
        yield Hostile(path.partition("?")[2], "GET", path, b"")


def _stall(
    request: Hostile, head: dict[str, str], sender: Sender, shared: Shared
) -> tuple[float, float, int]:
    """The lowest of a few tries, each the longest stall from the request to its answer."""
    sender.prepare(raw(request, head))
    best = (float("inf"), float("inf"), 0)
    for _ in range(TRIES):
        shared.ask()
        status = sender.send()
        wall, own = shared.ask()
        best = min(best, (wall, own, status), key=lambda stall: stall[1])
        if best[1] < AIM / 2:
            break
    return best


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"
