"""The process observes itself: HTTP counters, the event loop's lag, samples for /api/system.

Other parts of the process add their own figures (`Monitor.add`); this module knows none of them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import accumulate
from typing import Final

import psutil
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from alphapulse_api.domain.errors import DashboardClosed, Problem, Unavailable

logger = logging.getLogger(__name__)

PREFIX: Final = "alphapulse_"  # of every figure's name
COMPONENT: Final = "api"
SAMPLE_SECONDS: Final = 10.0  # between two samples of this process
LAG_SECONDS: Final = 0.25  # between two measurements of the lag; a longer lag is a warning
# Upper bounds of the latency histogram, in seconds.
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class _Latencies:
    """A histogram of one route: answers by latency, and the sum of all latencies."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one answer."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and cumulative count of each bucket, as Prometheus expects them."""
        bounds = [*map(str, BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


class Monitor(Collector):
    """The figures of one application, in their own registry: a process may have two applications.

    Each of several gunicorn workers has its number in AP_WORKER and adds it to every figure as the
    label `worker`. A scraper behind a load balancer reaches a different worker each time, and must
    not mistake one worker's counter for another's.

    Attributes:
        answers: GETs answered, by the value of X-Cache.
        lag: how late the event loop last woke up, in seconds.
        dropped_spans: spans of traces that were no calls of models.
    """

    def __init__(self) -> None:
        self._worker = os.environ.get("AP_WORKER")
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._sources: list[Callable[[], Iterable[Metric]]] = []
        # prometheus-client's own counters take a lock and build a tuple of label texts for every
        # request. These are plain dicts, converted when they are scraped.
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._latencies: defaultdict[str, _Latencies] = defaultdict(_Latencies)
        self._process = psutil.Process(os.getpid())
        self._process_figures = ProcessCollector(registry=None)  # empty where there is no /proc
        self.answers: defaultdict[str, int] = defaultdict(int)
        self.lag = 0.0
        self.dropped_spans = 0

    def add(self, source: Callable[[], Iterable[Metric]]) -> None:
        """Include what `source` returns in every scrape."""
        self._sources.append(source)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer and its latency."""
        self._requests[method, route, status] += 1
        if status != HTTPStatus.SWITCHING_PROTOCOLS:  # a socket's lifetime is not a latency
            self._latencies[route].add(seconds)

    def exposition(self) -> tuple[bytes, str]:
        """The figures in Prometheus' text format, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Metric]:
        """The figures, read at the time of the call."""
        for family in self._families():
            if self._worker is not None:
                for sample in family.samples:
                    sample.labels["worker"] = self._worker
            yield family

    def _families(self) -> Iterator[Metric]:
        yield from self._http()
        for source in self._sources:
            yield from source()
        yield GaugeMetricFamily(
            f"{PREFIX}event_loop_lag_seconds", "How late the event loop last woke up.", self.lag
        )
        yield GaugeMetricFamily(
            f"{PREFIX}tasks", "Tasks of the event loop that are not done.", len(asyncio.all_tasks())
        )
        # Resident memory also grows where the allocator cannot return free memory to the system.
        # This figure does not, so the two together distinguish such growth from a leak.
        yield GaugeMetricFamily(
            f"{PREFIX}memory_blocks",
            "Blocks of memory that the interpreter has allocated.",
            sys.getallocatedblocks(),
        )
        yield from self._process_figures.collect()

    def _http(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            f"{PREFIX}http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for (method, route, status), count in self._requests.items():
            requests.add_metric((method, route, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            f"{PREFIX}http_request_seconds",
            "Seconds from a request's head to its answer.",
            labels=("route",),
        )
        for route, latencies in self._latencies.items():
            seconds.add_metric((route,), latencies.buckets(), latencies.total)
        yield seconds
        yield counter_by(
            "state", f"{PREFIX}cache_answers", "Answers to GETs, by X-Cache.", self.answers
        )

        yield CounterMetricFamily(
            f"{PREFIX}spans_dropped",
            "Spans of traces that were no calls of models.",
            self.dropped_spans,
        )

    async def measure_lag_forever(self) -> None:
        """Keep `lag` current, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self.lag = max(0.0, loop.time() - due)

    async def report_forever(
        self,
        record: Callable[[dict[str, object]], Awaitable[object]],
        gauges: Callable[[], Mapping[str, float]],
        note_outage: Callable[[str], None],
    ) -> None:
        """Record a system sample of this process now and every 10 s, until cancelled.

        Args:
            record: stores one sample.
            gauges: further figures of a sample, by name.
            note_outage: called with the reason when the database cannot be used.
        """
        while True:
            try:
                await record(await self._sample(gauges()))
            except DashboardClosed:
                return
            except Unavailable as outage:
                note_outage(outage.detail)
            except Problem as problem:
                logger.warning("failed to record a sample of this process: %s", problem.detail)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _sample(self, gauges: Mapping[str, float]) -> dict[str, object]:
        # psutil reads files, so it runs off the event loop.
        figures = await asyncio.to_thread(self._measure)
        slow = self.lag > LAG_SECONDS
        return {
            "component": f"{COMPONENT}-{self._worker}" if self._worker else COMPONENT,
            "status": "warning" if slow else "healthy",
            "message": "the event loop is late" if slow else None,
            "metrics": {**figures, "event_loop_lag_seconds": self.lag, **gauges},
        }

    def _measure(self) -> dict[str, float]:
        with self._process.oneshot():
            return {
                "cpu_percent": self._process.cpu_percent(),
                "resident_bytes": self._process.memory_info().rss,
                "threads": self._process.num_threads(),
            }


def counter_by(label: str, name: str, text: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    """A counter with one label, and a series for each of its values."""
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family
