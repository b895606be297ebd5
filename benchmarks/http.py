"""Entry `http`: a cached query of 100 metric points, beside bare aiohttp and FastAPI.

Each server has its own process on one core; the load has its own core. Rounds alternate between the
servers, so that other load on the machine affects all of them, and the median round counts. CPU
time a request is the steadier figure on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import uvloop

from .harness import LOAD_CORE, BenchmarkError, Server, pin, running
from .load import CONNECTIONS, LoadResult, load
from .points import COUNT, TARGET, write_points
from .report import print_environment, print_ratio, print_table

BARE, FASTAPI, OURS = "bare_aiohttp", "fastapi_design", "alphapulse"
SERVERS = (BARE, FASTAPI, OURS)
UNCHANGED, BARE_UNCHANGED = "alphapulse, 304", "bare_aiohttp, 304"
AIMS = ((OURS, FASTAPI, 6.0), (OURS, BARE, 0.65), (UNCHANGED, OURS, 1.2))
CONDITIONAL = {OURS: UNCHANGED, BARE: BARE_UNCHANGED}
P99_AIM = 2.0
PACKAGES = ("aiohttp", "fastapi", "uvicorn", "uvloop")
GENERATOR_BUSY_LIMIT = 0.9
SERVER_BUSY_LEAST = 0.75
WARMUP = 0.5
HEADER = (
    *("server", "req/s", "range", "p50 ms", "p99 ms"),
    *("cpu us/req", "server busy", "core stolen", "generator busy"),
)


@dataclass(frozen=True, slots=True)
class Round:
    """One server's figures of one round."""

    rate: float
    """Answers a second."""
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""
    cpu: float
    """Microseconds of the server's CPU time an answer."""
    server_busy: float
    """Share of the round for which the server was on the CPU; if low, others used its core."""
    stolen: float
    """Share of the round for which the hypervisor took the server's core away, 0 to 1."""
    generator_busy: float
    """Share of the round for which the load generator was on the CPU, 0 to 1."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds a server")
    parser.add_argument("--quick", action="store_true", help="two rounds of one second")
    parser.add_argument(
        "--servers", nargs="+", choices=SERVERS, default=SERVERS, help="only these servers"
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    seconds, rounds = (1.0, 2) if arguments.quick else (arguments.seconds, arguments.rounds)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-"))
        write_points(Path(directory))
        servers = [stack.enter_context(running(name, directory)) for name in arguments.servers]
        pin(LOAD_CORE)
        expected = agreed_answer(servers)
        results: dict[str, list[Round]] = {server.name: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                result = drive(server, expected[server.name], seconds=seconds)
                results[server.name].append(_figures(result))
                if (conditional := CONDITIONAL.get(server.name)) is not None:
                    etag = _fetch(server)[2] or '"any"'
                    result = drive(server, 0, seconds=seconds, unless=etag)
                    results.setdefault(conditional, []).append(_figures(result))
    print_environment(*PACKAGES)
    print(
        f"GET {TARGET}: {COUNT} points, {CONNECTIONS} connections, median of {rounds} rounds "
        f"of {seconds:g} s\n"
    )
    _print_results(results)


def request_bytes(server: Server, unless: str | None = None) -> bytes:
    """The request, the same for every server except its token; `unless` is an ETag."""
    condition = f"If-None-Match: {unless}\r\n" if unless else ""
    return (
        f"GET {TARGET} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
        f"Accept: application/json\r\nAuthorization: Bearer {server.token or 'none'}\r\n"
        f"{condition}\r\n"
    ).encode()


def drive(
    server: Server, expected: int, *, seconds: float, unless: str | None = None
) -> LoadResult:
    """Load one server for `seconds` after a short warm-up."""
    return uvloop.run(
        load(
            server.host,
            server.port,
            request_bytes(server, unless),
            expected,
            seconds=seconds,
            warmup=WARMUP,
            usage=server.usage,
        )
    )


def agreed_answer(servers: list[Server]) -> dict[str, int]:
    """Ask every server twice (the second answer may come from its cache) and compare.

    Returns:
        The length of each server's body in bytes.

    Raises:
        BenchmarkError: not the same JSON from all, or a cache that was not hit.
    """
    bodies: dict[str, bytes] = {}
    for server in servers:
        _fetch(server)
        bodies[server.name], cache, _ = _fetch(server)
        if cache not in (None, "HIT"):
            raise BenchmarkError(f"{server.name} does not answer from its cache: {cache}")
    decoded = {name: json.loads(body) for name, body in bodies.items()}
    for name, points in decoded.items():
        if len(points) != COUNT:
            raise BenchmarkError(f"{name} answers {len(points)} points instead of {COUNT}")
        if points != decoded[servers[0].name]:
            raise BenchmarkError(
                f"{name} and {servers[0].name} answer different JSON: "
                f"{points[0]} and {decoded[servers[0].name][0]}"
            )
    return {name: len(body) for name, body in bodies.items()}


def _fetch(server: Server) -> tuple[bytes, str | None, str | None]:
    """One answer: its body, its `X-Cache` and its ETag."""
    connection = HTTPConnection(server.host, server.port, timeout=10)
    try:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {server.token}"}
        connection.request("GET", TARGET, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchmarkError(f"{server.name} answers {answer.status}: {body[:400]!r}")
        return body, answer.getheader("X-Cache"), answer.getheader("ETag")
    finally:
        connection.close()


def _figures(result: LoadResult) -> Round:
    count = len(result.latencies)
    if count < 100:
        raise BenchmarkError(f"only {count} answers in {result.seconds:.1f} s: too few to measure")
    ordered = sorted(result.latencies)
    return Round(
        rate=count / result.seconds,
        p50=ordered[count // 2] * 1e3,
        p99=ordered[count * 99 // 100] * 1e3,
        cpu=result.server_cpu / count * 1e6,
        server_busy=result.server_cpu / result.seconds,
        stolen=result.stolen / result.seconds,
        generator_busy=result.generator_busy,
    )


def _median(rounds: list[Round], figure: str) -> float:
    values: list[float] = [getattr(one, figure) for one in rounds]
    return statistics.median(values)


def _print_results(results: dict[str, list[Round]]) -> None:
    rows = []
    for name, rounds in results.items():
        rates = [one.rate for one in rounds]
        rows.append(
            [
                name,
                f"{_median(rounds, 'rate'):,.0f}",
                f"{min(rates):,.0f}-{max(rates):,.0f}",
                f"{_median(rounds, 'p50'):.2f}",
                f"{_median(rounds, 'p99'):.2f}",
                f"{_median(rounds, 'cpu'):.1f}",
                f"{_median(rounds, 'server_busy'):.0%}",
                f"{_median(rounds, 'stolen'):.0%}",
                f"{_median(rounds, 'generator_busy'):.0%}",
            ]
        )
    print_table(HEADER, rows)
    print()
    for name, rounds in results.items():
        if _median(rounds, "generator_busy") > GENERATOR_BUSY_LIMIT:
            print(f"warning: the load generator was the bottleneck of {name}: its rate is too low")
        if _median(rounds, "server_busy") < SERVER_BUSY_LEAST:
            print(f"warning: {name} did not have its core: throughput decides nothing here")
    for ours, other, aim in AIMS:
        if ours in results and other in results:
            ratio = _median(results[ours], "rate") / _median(results[other], "rate")
            by_cpu = _median(results[other], "cpu") / _median(results[ours], "cpu")
            decided = all(
                _median(results[name], "server_busy") >= SERVER_BUSY_LEAST for name in (ours, other)
            )
            print_ratio(f"{ours} / {other}", ratio, aim, by_cpu, decided=decided)
    if BARE in results:
        ratio = _median(results[BARE_UNCHANGED], "rate") / _median(results[BARE], "rate")
        by_cpu = _median(results[BARE], "cpu") / _median(results[BARE_UNCHANGED], "cpu")
        print(f"{BARE_UNCHANGED} / {BARE}: {ratio:.2f}x (by CPU time {by_cpu:.2f}x): the limit")
    if OURS in results and BARE in results:
        ratio = _median(results[OURS], "p99") / _median(results[BARE], "p99")
        verdict = "met" if ratio <= P99_AIM else "MISSED"
        print(f"{OURS} / {BARE}, p99: {ratio:.2f}x (aim within {P99_AIM:g}x: {verdict})")
