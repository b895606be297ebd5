"""Entry `connections`: the resident memory that an open socket costs the server.

The figure is the slope of a straight line through the resident memory after each further thousand
sockets, so the memory of the process itself does not count. Each row has a fresh server. Kernel
memory is not included.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import time
from contextlib import ExitStack

from .clients import Subscribe, open_sockets
from .fanout import ALL_TRADES, FASTAPI, OURS, WEBSOCKETS, controlled
from .harness import LOAD_CORE, BenchmarkError, pin
from .publishing import raise_file_limit
from .report import print_environment, print_table

STEP = 1000
SETTLE = 0.5  # seconds for the server to accept the newest sockets
PACKAGES = ("aiohttp", "fastapi", "uvicorn", "websockets", "uvloop")
ROWS: tuple[tuple[str, str, list[Subscribe]], ...] = (
    ("ours, idle", OURS, []),
    ("ours, subscribed to trades", OURS, [ALL_TRADES]),
    (
        "ours, all channels, filtered",
        OURS,
        [
            {
                "channels": ["metrics", "alerts", "trades", "portfolio"],
                "filters": {"trades": {"symbols": ["BTC-USD"]}},
            }
        ],
    ),
    ("websockets", WEBSOCKETS, []),
    ("FastAPI, in the manager", FASTAPI, []),
)
HEADER = ("server", "KiB a connection", "MiB at first", "MiB at last", "opened/s")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--most", type=int, default=8000, help="sockets in the end")
    parser.add_argument("--quick", action="store_true", help="up to 3000 sockets")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    most = 3 * STEP if arguments.quick else arguments.most
    pin(LOAD_CORE)
    raise_file_limit()
    print_environment(*PACKAGES)
    print(f"\nresident memory from {STEP} to {most} open sockets\n")
    print_table(HEADER, [_measure(*row, most) for row in ROWS])


def _measure(label: str, name: str, subscribes: list[Subscribe], most: int) -> list[str]:
    sockets: list[socket.socket] = []
    points: list[tuple[int, int]] = []
    opening = 0.0
    with ExitStack() as stack:
        server, control = stack.enter_context(controlled(name))
        while len(sockets) < most:
            begin = time.perf_counter()
            new = open_sockets(server, STEP, subscribes)
            opening += time.perf_counter() - begin
            stack.callback(_close, new)
            sockets += new
            time.sleep(SETTLE)
            state = control.ask("state")
            if state["connections"] != len(sockets):
                raise BenchmarkError(f"{name} has {state['connections']} of {len(sockets)} sockets")
            points.append((len(sockets), state["resident"]))
    slope = statistics.linear_regression(*zip(*points, strict=True)).slope
    return [
        label,
        f"{slope / 1024:.1f}",
        f"{points[0][1] / 2**20:.1f}",
        f"{points[-1][1] / 2**20:.1f}",
        f"{len(sockets) / opening:,.0f}",
    ]


def _close(sockets: list[socket.socket]) -> None:
    for client in sockets:
        client.close()
