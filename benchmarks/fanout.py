"""Entry `fanout`: one event to 1000 sockets, from our server, its peers and the limit.

Each server has its own process on one core; all clients are one light process on another. Rounds
alternate between the servers, so that other load on the machine affects all of them, and the median
round counts. Every byte that is sent must be received, and the first events are parsed and
compared.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .chart import draw
from .clients import Receiver, Subscribe, open_sockets
from .control import Control
from .events import EVENT_BYTES
from .harness import LOAD_CORE, REPOSITORY, BenchmarkError, Server, pin, running
from .publishing import raise_file_limit
from .report import print_environment, print_ratio, print_table

FASTAPI, WEBSOCKETS, PICOWS = "ws_fastapi", "ws_websockets", "ws_picows"
OURS, LIMIT = "ws_alphapulse", "ws_limit"
SERVERS = (FASTAPI, WEBSOCKETS, OURS, PICOWS, LIMIT)
BURSTS = (1, 8, 32)
# For each burst: the peer, and how many times as fast ours should be.
AIMS = {
    1: ((LIMIT, 0.80), (WEBSOCKETS, 1.2), (FASTAPI, 4.0)),
    8: ((WEBSOCKETS, 5.0), (FASTAPI, 20.0)),
    32: ((WEBSOCKETS, 5.0), (FASTAPI, 20.0)),
}
FILTER_AIM = 3.0
PACKAGES = ("aiohttp", "fastapi", "uvicorn", "websockets", "picows", "uvloop")
SERVER_BUSY_LEAST = 0.75
RECEIVER_BUSY_LIMIT = 0.95
ALL_TRADES: Subscribe = {"channels": ["trades"]}
CHART = REPOSITORY / "docs" / "fanout.svg"
HEADER = ("server", "deliveries/s", "range", "cpu us/delivery", "server busy", "receiver busy")


@dataclass(frozen=True, slots=True)
class Round:
    """One server's figures of one round."""

    rate: float
    """Deliveries a second."""
    cpu: float
    """Microseconds of the server's CPU time a delivery."""
    busy: float
    """Share of the round for which the server was on the CPU; if low, others used its core."""
    receiver_busy: float


Results = dict[int, dict[str, list[Round]]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=7, help="rounds a server")
    parser.add_argument("--clients", type=int, default=1000, help="sockets a server")
    parser.add_argument("--quick", action="store_true", help="three rounds of half a second")
    parser.add_argument("--chart", action="store_true", help=f"draw {CHART.name} from the figures")
    parser.add_argument(
        "--servers", nargs="+", choices=SERVERS, default=SERVERS, help="only these servers"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    seconds, rounds = (0.5, 3) if arguments.quick else (arguments.seconds, arguments.rounds)
    clients: int = arguments.clients
    pin(LOAD_CORE)
    raise_file_limit()
    with ExitStack() as stack:
        # All servers start before the first client, because the harness waits for them by select().
        servers = [stack.enter_context(controlled(name)) for name in arguments.servers]
        receivers = {
            server.name: connected(stack, server, control, clients, [ALL_TRADES])
            for server, control in servers
        }
        _agree(receivers)
        results = _measure(receivers, clients, seconds, rounds)
    print_environment(*PACKAGES)
    print(
        f"trade events of {EVENT_BYTES} bytes to {clients} sockets, median of {rounds} rounds of "
        f"{seconds:g} s\n"
    )
    for burst, servers in results.items():
        _print_results(burst, servers)
    if OURS in arguments.servers:
        _print_filters(*_measure_filters(clients, seconds, rounds), clients)
    if arguments.chart:
        rates = {b: {n: median(r, "rate") for n, r in s.items()} for b, s in results.items()}
        CHART.write_text(draw(rates, clients))


@contextmanager
def controlled(name: str, *arguments: str) -> Iterator[tuple[Server, Control]]:
    """A running socket server, and its control."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as directory,
        running(name, directory, *arguments) as server,
    ):
        control = Control(Path(directory))
        try:
            yield server, control
        finally:
            control.close()


def connected(
    stack: ExitStack, server: Server, control: Control, count: int, subscribes: list[Subscribe]
) -> Receiver:
    """Connect `count` clients to the server."""
    receiver = Receiver(control, open_sockets(server, count, subscribes))
    stack.callback(receiver.close)
    return receiver


def median(rounds: list[Round], figure: str) -> float:
    """The median of a figure over the rounds."""
    values: list[float] = [getattr(one, figure) for one in rounds]
    return statistics.median(values)


def _agree(receivers: dict[str, Receiver]) -> None:
    """Check that all clients of all servers get the same event, except its number and our epoch."""
    shapes: dict[str, Any] = {}
    for name, receiver in receivers.items():
        event, *_ = receiver.first(3)
        del event["cursor"], event["data"]["id"]
        shapes[name] = event
    expected, *others = shapes.values()
    if any(other != expected for other in others):
        raise BenchmarkError(f"the servers send different events: {shapes}")


def _measure(receivers: dict[str, Receiver], clients: int, seconds: float, rounds: int) -> Results:
    results: Results = {burst: {name: [] for name in receivers} for burst in BURSTS}
    gc.collect()
    for _ in range(rounds):
        for burst in BURSTS:
            for name, receiver in receivers.items():
                answer = receiver.during(recipients=clients, seconds=seconds, burst=burst)
                results[burst][name].append(_figures(answer, clients))
    return results


def _measure_filters(clients: int, seconds: float, rounds: int) -> tuple[list[Round], list[Round]]:
    """Publish to one of `clients`, each of which wants its own symbol, and to a single client."""
    with ExitStack() as stack:
        crowds = []
        servers = [stack.enter_context(controlled(OURS)) for _ in range(2)]
        for count, (server, control) in zip((1, clients), servers, strict=True):
            subscribes = [
                {**ALL_TRADES, "filters": {"trades": {"symbols": [f"S{number:06}"]}}}
                for number in range(count)
            ]
            crowds.append((count, connected(stack, server, control, count, subscribes)))
        figures: dict[int, list[Round]] = {1: [], clients: []}
        for _ in range(rounds):
            for count, receiver in crowds:
                answer = receiver.during(recipients=1, seconds=seconds, burst=1, symbols=count)
                figures[count].append(_figures(answer, 1))
    return figures[1], figures[clients]


def _figures(answer: dict[str, Any], recipients: int) -> Round:
    deliveries = answer["events"] * recipients
    return Round(
        rate=deliveries / answer["seconds"],
        cpu=answer["cpu"] / deliveries * 1e6,
        busy=answer["cpu"] / answer["seconds"],
        receiver_busy=answer["busy"],
    )


def _print_results(burst: int, servers: dict[str, list[Round]]) -> None:
    print("paced, an event at a time:" if burst == 1 else f"bursts of {burst} events a turn:")
    _print_rounds(servers)
    for other, aim in AIMS[burst]:
        if OURS in servers and other in servers:
            print_ratio(
                f"{OURS} / {other}",
                median(servers[OURS], "rate") / median(servers[other], "rate"),
                aim,
                median(servers[other], "cpu") / median(servers[OURS], "cpu"),
                decided=all(
                    median(servers[name], "busy") >= SERVER_BUSY_LEAST for name in (OURS, other)
                ),
            )
    print()


def _print_rounds(servers: dict[str, list[Round]]) -> None:
    rows = []
    for name, rounds in servers.items():
        rates = [one.rate for one in rounds]
        rows.append(
            [
                name,
                f"{median(rounds, 'rate'):,.0f}",
                f"{min(rates):,.0f}-{max(rates):,.0f}",
                f"{median(rounds, 'cpu'):.2f}",
                f"{median(rounds, 'busy'):.0%}",
                f"{median(rounds, 'receiver_busy'):.0%}",
            ]
        )
    print_table(HEADER, rows)
    for name, rounds in servers.items():
        if median(rounds, "receiver_busy") > RECEIVER_BUSY_LIMIT:
            print(f"warning: the receiver was the bottleneck of {name}: its rate is too low")


def _print_filters(one: list[Round], all_: list[Round], clients: int) -> None:
    print(f"filters, each client wants 1 of {clients} symbols; a publish has one delivery:")
    _print_rounds({"1 client": one, f"{clients} clients": all_})
    ratio = median(all_, "cpu") / median(one, "cpu")
    verdict = "met" if ratio <= FILTER_AIM else "MISSED"
    print(f"cost of a publish: {ratio:.2f}x by CPU time (aim within {FILTER_AIM:g}x: {verdict})")
