"""`python -m benchmarks <entry> [options]`: one row a benchmark."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

from . import (
    answers,
    backends,
    books,
    connections,
    console,
    crowd,
    decisions,
    fanout,
    history,
    host,
    http,
    ingest,
    latency,
    metrics,
    pnl,
    portfolio,
    profile,
    retention,
    rules,
    scale,
    shared,
    soak,
    space,
    stalls,
    track_record,
)
from .harness import BenchmarkError


@dataclass(frozen=True, slots=True)
class Entry:
    """One benchmark: its name, what it shows, its options and its main function."""

    name: str
    help: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


ENTRIES = (
    Entry(
        "http",
        "a cached metrics query: bare aiohttp, the design in FastAPI, and ours",
        http.add_options,
        http.run,
    ),
    Entry(
        "profile",
        "where our server's time goes under the load of `http` (py-spy)",
        profile.add_options,
        profile.run,
    ),
    Entry(
        "fanout",
        "an event to 1000 sockets: FastAPI, websockets, ours, picows, and the limit",
        fanout.add_options,
        fanout.run,
    ),
    Entry(
        "latency",
        "from the feed to 1000 sockets at 100 events a second, and beside stalled clients",
        latency.add_options,
        latency.run,
    ),
    Entry(
        "answers",
        "peak memory of the server while clients read and export trades with long metadata",
        answers.add_options,
        answers.run,
    ),
    Entry(
        "books",
        "500 books with one watcher each, and one book alone: CPU time of a trade",
        books.add_options,
        books.run,
    ),
    Entry(
        "connections",
        "resident memory an open socket: ours, websockets, FastAPI",
        connections.add_options,
        connections.run,
    ),
    Entry(
        "backends",
        "reads and writes on SQLite and PostgreSQL beside the raw drivers",
        backends.add_options,
        backends.run,
    ),
    Entry(
        "shared",
        "the event log on Redis beside memory, and sockets of two workers beside one",
        shared.add_options,
        shared.run,
    ),
    Entry(
        "ingest",
        "metric points into the store: by the feed, over HTTP, and beside a reader",
        ingest.add_options,
        ingest.run,
    ),
    Entry(
        "console",
        "the console's page in a real browser: time to first rows, main thread, memory",
        console.add_options,
        console.run,
    ),
    Entry(
        "history",
        "a history of trades and equity: imported, and imported again",
        history.add_options,
        history.run,
    ),
    Entry(
        "host",
        "a trading loop's ticks beside viewers: without a dashboard, and by each way of embedding",
        host.add_options,
        host.run,
    ),
    Entry(
        "metrics",
        "a chart as the history grows, and what rollups cost a write, on SQLite and PostgreSQL",
        metrics.add_options,
        metrics.run,
    ),
    Entry(
        "scale",
        "every question at three sizes of the history, and the plans of those that grow",
        scale.add_options,
        scale.run,
    ),
    Entry(
        "crowd",
        "a hundred readers beside a writer, as the history grows",
        crowd.add_options,
        crowd.run,
    ),
    Entry(
        "decisions",
        "decisions stored in batches, what led to a trade, and listings as they grow",
        decisions.add_options,
        decisions.run,
    ),
    Entry(
        "pnl",
        "sums of round trips: a day, and all of up to 10^6",
        pnl.add_options,
        pnl.run,
    ),
    Entry(
        "portfolio",
        "the history of a portfolio as it grows, and updates of few of many positions",
        portfolio.add_options,
        portfolio.run,
    ),
    Entry(
        "loop_stalls",
        "how long each hostile request holds the server's event loop",
        stalls.add_options,
        stalls.run,
    ),
    Entry(
        "soak",
        "a server under mixed load for ten minutes: what grows, gets lost, or gets slow",
        soak.add_options,
        soak.run,
    ),
    Entry(
        "retention",
        "how long writes wait while old snapshots are deleted, and what the file gives back",
        retention.add_options,
        retention.run,
    ),
    Entry(
        "rules",
        "1000 rules over 1000 series: evaluating beside storing the points, and without a match",
        rules.add_options,
        rules.run,
    ),
    Entry(
        "track_record",
        "10,000 agents without skill: how many are ever called better than chance",
        track_record.add_options,
        track_record.run,
    ),
    Entry(
        "space",
        "bytes of disk a point and a trade, on SQLite and PostgreSQL; bytes of memory an event",
        space.add_options,
        space.run,
    ),
)


def main() -> None:
    """Parse the command line and run one entry."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="entry")
    for entry in ENTRIES:
        command = commands.add_parser(entry.name, help=entry.help, description=entry.help)
        entry.options(command)
        command.set_defaults(run=entry.run)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except BenchmarkError as error:
        sys.exit(f"benchmark failed: {error}")


if __name__ == "__main__":
    main()
