"""Entry `latency`: from `feed.record_trade` to the client, with and without stalled clients.

Every event carries the time just before it was recorded (CLOCK_MONOTONIC, which processes share).
Events start on a fixed schedule, whether or not earlier ones are done, so that a server that falls
behind is seen. FastAPI runs the design's broadcast and stores nothing; ours validates, stores
durably in SQLite and publishes.
"""

from __future__ import annotations

import argparse
import gc
import select
import socket
import statistics
import time
from array import array
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from .clients import ARRIVAL_TIMEOUT, open_sockets
from .control import Control
from .fanout import ALL_TRADES, FASTAPI, OURS, controlled
from .harness import LOAD_CORE, BenchmarkError, pin
from .publishing import raise_file_limit
from .report import print_environment, print_table

RATE = 100.0
SLOWER_RATE = 25.0
# The core must not be full, because then percentiles measure the queue.
STALL_RATE = 50.0
STALL_AIM = 1.2
SLICES = 20
EVENT_BYTES = 425  # of a stored trade with its time, framed
STAMP = b'"t":"'
DIGITS = 20
PACKAGES = ("aiohttp", "fastapi", "uvicorn", "uvloop")
PERCENTILES = (0.50, 0.99, 0.999, 1.0)
HEADER = ("server", "events/s", "behind s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "server busy")


@dataclass(slots=True)
class Arrivals:
    """The deliveries while an order ran."""

    rate: float
    """The requested events a second."""
    latencies: array[int] = field(default_factory=lambda: array("q"))
    """Nanoseconds, of every delivery."""
    answer: dict[str, Any] = field(default_factory=dict)
    """The server's answer to the order."""

    def milliseconds(self, share: float) -> float:
        """A percentile; the maximum for 1."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a run")
    parser.add_argument("--clients", type=int, default=1000, help="sockets a server")
    parser.add_argument("--stalled", type=int, default=100, help="of them, to stop reading")
    parser.add_argument("--quick", action="store_true", help="runs of five seconds")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    seconds = 5.0 if arguments.quick else arguments.seconds
    clients, stalled = arguments.clients, arguments.stalled
    pin(LOAD_CORE)
    raise_file_limit()
    print_environment(*PACKAGES)
    rows = []
    with ExitStack() as stack:
        names = (OURS, FASTAPI)
        servers = [stack.enter_context(controlled(name)) for name in names]
        for server, control in servers:
            sockets = open_sockets(server, clients, [ALL_TRADES])
            stack.callback(_close, sockets)
            for rate in (RATE, SLOWER_RATE):
                arrivals = _receive(control, sockets, rate, seconds)
                rows.append(_row(f"{server.name}, {rate:g} events/s", arrivals))
    print(f"\n{clients} sockets, {seconds:g} s: from before record_trade to arrival\n")
    print_table(HEADER, rows)
    _stall(clients, stalled, seconds)


def _stall(clients: int, stalled: int, seconds: float) -> None:
    """The readers' latency without stalled clients and beside them, on servers of equal bounds.

    They alternate in slices of the run, so that other load on the machine affects both. The median
    counts, over the slices that begin with stalled clients.
    """
    # Half of the bytes that are sent. With the kernel's buffer, it overflows in a run of 20 s.
    bound = max(65_536, round(STALL_RATE * seconds * EVENT_BYTES / 2))
    alone: list[Arrivals] = []
    beside: list[Arrivals] = []
    ratios: list[float] = []
    with ExitStack() as stack:
        (server, control), (other, other_control) = (
            stack.enter_context(controlled(OURS, str(bound))) for _ in range(2)
        )
        free = open_sockets(server, clients - stalled, [ALL_TRADES])
        readers = open_sockets(other, clients - stalled, [ALL_TRADES])
        asleep = open_sockets(other, stalled, [ALL_TRADES], stalled=True)
        stack.callback(_close, free + readers + asleep)
        before = state = other_control.ask("state")
        at_first = control.ask("state")
        for _ in range(SLICES):
            alone.append(_receive(control, free, STALL_RATE, seconds / SLICES))
            beside.append(_receive(other_control, readers, STALL_RATE, seconds / SLICES))
            if state["evicted"] < stalled:
                ratios.append(beside[-1].milliseconds(0.99) / alone[-1].milliseconds(0.99))
            state = other_control.ask("state")
        free_grew = control.ask("state")["resident"] - at_first["resident"]
    print(f"\n{stalled} of {clients} clients read nothing; max_buffer {bound:,} bytes:\n")
    print_table(
        HEADER,
        [
            _row(f"{clients - stalled} readers alone", _joined(alone)),
            _row(f"the same beside {stalled} stalled", _joined(beside)),
        ],
    )
    ratio = statistics.median(ratios)
    verdict = "met" if ratio <= STALL_AIM else "MISSED"
    print(
        f"\nreaders' p99: {ratio:.2f}x, the median of {len(ratios)} slices of "
        f"{min(ratios):.2f}x to {max(ratios):.2f}x (aim within {STALL_AIM:g}x: {verdict})"
    )
    print(
        f"stalled clients evicted: {state['evicted']} of {stalled}; resident "
        f"memory before {before['resident'] / 1e6:.1f} MB, after {state['resident'] / 1e6:.1f} MB "
        f"(without stalled clients: {free_grew / 1e6:+.1f} MB)"
    )


def _joined(slices: Sequence[Arrivals]) -> Arrivals:
    """Several runs as one."""
    joined = Arrivals(slices[0].rate)
    for one in slices:
        joined.latencies.extend(one.latencies)
    joined.answer = {
        name: sum(one.answer[name] for one in slices) for name in ("events", "seconds", "cpu")
    }
    return joined


def _receive(
    control: Control, sockets: Sequence[socket.socket], rate: float, seconds: float
) -> Arrivals:
    """Have the server feed, and note when each event reaches each socket."""
    arrivals = Arrivals(rate)
    note = arrivals.latencies.append
    receive = {client.fileno(): client.recv for client in sockets}
    rest: dict[int, bytes] = {}
    clock = time.monotonic_ns
    expected, deadline = -1, None
    gc.collect()
    gc.freeze()
    with select.epoll() as epoll:
        for fd in (*receive, control.fileno()):
            epoll.register(fd, select.EPOLLIN)
        control.order("feed", rate=rate, seconds=seconds)
        while len(arrivals.latencies) != expected:
            for fd, _ in epoll.poll(1.0, 2000):
                if fd == control.fileno():
                    arrivals.answer = control.answer()
                    expected = arrivals.answer["events"] * len(sockets)
                    deadline = time.monotonic() + ARRIVAL_TIMEOUT
                    continue
                data = receive[fd](1 << 18)
                at = clock()
                if not data:
                    raise BenchmarkError("a server closed a socket that is read")
                if fd in rest:
                    data = rest.pop(fd) + data
                end = _walk(data, at, note)
                if end != len(data):
                    rest[fd] = data[end:]
            if deadline is not None and time.monotonic() > deadline:
                raise BenchmarkError(f"{len(arrivals.latencies)} arrivals of {expected}")
    return arrivals


def _walk(data: bytes, at: int, note: Any) -> int:
    """Note the age of every complete frame; returns where the first incomplete one begins."""
    begin, length = 0, len(data)
    while begin + 4 <= length:
        # An event is always longer than 125 bytes: a frame with a size of two bytes.
        end = begin + 4 + (data[begin + 2] << 8 | data[begin + 3])
        if end > length:
            break
        stamp = data.index(STAMP, begin, end) + len(STAMP)
        note(at - int(data[stamp : stamp + DIGITS]))
        begin = end
    return begin


def _row(name: str, arrivals: Arrivals) -> list[str]:
    answer = arrivals.answer
    return [
        name,
        f"{answer['events'] / answer['seconds']:.1f}",
        # A loop that never yields starts its events late, which their latency does not show.
        f"{answer['seconds'] - answer['events'] / arrivals.rate:.1f}",
        *(f"{arrivals.milliseconds(share):,.1f}" for share in PERCENTILES),
        f"{answer['cpu'] / answer['seconds']:.0%}",
    ]


def _close(sockets: Sequence[socket.socket]) -> None:
    for client in sockets:
        client.close()
