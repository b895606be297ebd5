"""Entry `rules`: what it costs to evaluate rules on metric points, beside storing the points.

Both costs are CPU time of the process. Storing is what the feed does with batches, on an empty
SQLite file and without rules. Evaluating takes the same batches in columns, as the evaluator gets
them where they were written, and has no input or output. No value reaches a threshold, which is the
usual case: a state that changes is stored, and that is a write like others.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import secrets
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, DatabaseConfig, LoggingConfig
from alphapulse_api.domain.points import Points
from alphapulse_api.rules.evaluation import Evaluation
from alphapulse_api.rules.evaluator import STEP_POINTS
from alphapulse_api.rules.rule import Rule

from .report import print_environment, print_table

RULES: Final = 1000
SERIES: Final = 1000
RATE: Final = 10_000  # points a second, by the times of the points
BATCH: Final = 1000
AIM: Final = 0.25  # of the CPU time of storing
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
KINDS: Final[dict[str, dict[str, Any]]] = {
    "last": {"function": "last"},
    "avg of 1m": {"function": "avg", "window": "1m"},
    "max of 1m": {"function": "max", "window": "1m"},
    "stddev of 1m": {"function": "stddev", "window": "1m"},
    "rate of 1m": {"function": "rate", "window": "1m"},
    "silence of 1m": {"function": "silence", "window": "1m"},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--quick", action="store_true", help="30 seconds of points")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    print_environment("orjson")
    count = RATE * (30 if arguments.quick else 120) // BATCH
    stored = asyncio.run(_stored(count))
    rows = [["storing", f"{stored:.2f}", "", ""]]
    for label, fields in KINDS.items():
        spent = _evaluated(count, _rules(fields, "m"))
        share = spent / stored
        rows.append([
            label, f"{spent:.2f}", f"{share:.0%}", "met" if share <= AIM else "MISSED",
        ])  # fmt: skip
    spent = _evaluated(count, _rules(KINDS["last"], "other"))
    rows.append(["no rule matches", f"{spent:.2f}", f"{spent / stored:.1%}", ""])
    print(f"\n{RULES} rules, {SERIES} series, {RATE:,} points/s on SQLite: CPU µs a point\n")
    print_table(("", "µs", "of storing", f"aim {AIM:.0%}"), rows)


def _rules(fields: dict[str, Any], name: str) -> Iterable[Rule]:
    """Rules that watch one series each."""
    for number in range(RULES):
        yield Rule({
            "id": f"r{number}", "revision": 1, "changed_at": 0, "name": "R", "watch": "metric",
            "metric_type": "risk", "metric_name": f"{name}{number}", "operator": ">",
            "threshold": 1e12, "severity": "warning", "title": "{name}", "message": "", **fields,
        })  # fmt: skip


def _batch(number: int) -> list[dict[str, Any]]:
    """A point of each series."""
    at = START + timedelta(seconds=number * BATCH / RATE)
    return [
        {
            "metric_type": "risk", "name": f"m{series}", "labels": {"strategy": "momentum-1"},
            "timestamp": at, "value": series + (number % 97) * 0.01,
        }
        for series in range(SERIES)
    ]  # fmt: skip


async def _stored(count: int) -> float:
    """CPU µs a point of the feed, without rules."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            port=0,
            auth=AuthConfig(jwt_secret=secrets.token_urlsafe(48)),
            database=DatabaseConfig(url=f"sqlite:///{Path(folder, 'rules.db')}"),
            logging=LoggingConfig(level="warning"),
        )
        async with Dashboard(config) as dashboard:
            await dashboard.feed.record_metrics(_batch(0))
            gc.collect()
            spent = 0.0
            for number in range(1, count + 1):
                batch = _batch(number)
                before = time.process_time()
                await dashboard.feed.record_metrics(batch)
                spent += time.process_time() - before
    return spent / count / BATCH * 1e6


def _evaluated(count: int, rules: Iterable[Rule]) -> float:
    """CPU µs a point of evaluating the rules, timers included."""
    evaluation = Evaluation()
    evaluation.change(rules)
    first = Points.of(_batch(0))
    gc.collect()
    spent = 0.0
    for number in range(count + 1):
        points = Points()
        points.series = first.series  # which the points of a series share
        made = Points.of(_batch(number))
        points.instants, points.values = made.instants, made.values
        now = points.instants[0]
        before = time.process_time()
        evaluation.tick(now)
        for at in range(0, BATCH, STEP_POINTS):
            evaluation.take_points(points, now, at, at + STEP_POINTS)
        if number:  # the first batch makes the groups
            spent += time.process_time() - before
    assert not evaluation.failed
    return spent / count / BATCH * 1e6
