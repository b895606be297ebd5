"""The process watches itself: Prometheus figures, the loop's lag, samples for /api/system."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import accumulate
from typing import TYPE_CHECKING, Final

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

from alphapulse_api.domain.errors import SLOW_CONSUMER, DashboardClosed, Problem, Unavailable
from alphapulse_api.record.point_queue import REFUSALS

if TYPE_CHECKING:
    from alphapulse_api.backend import Backend

logger = logging.getLogger(__name__)

COMPONENT: Final = "api"
SAMPLE_SECONDS: Final = 10.0
LAG_SECONDS: Final = 0.25  # how often the loop's lag is measured, and what lag is a warning
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class _Latencies:
    """How many answers took up to each bound, and how long all of them took."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        bounds = [*map(str, BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self.counts), strict=True))


class Monitor(Collector):
    """One process's figures, in a registry of their own: two may live in one process.

    One worker of several (its number is in AP_WORKER) names itself in all of them: whoever scrapes
    through a balancer must not take one worker's counter for another's.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._worker = os.environ.get("AP_WORKER")
        self._registry = CollectorRegistry()
        self._registry.register(self)
        # Counted by hand, told by prometheus-client: its own counters take a lock and a tuple of
        # label texts for every request.
        self._requests: defaultdict[tuple[str, str, int], int] = defaultdict(int)
        self._latencies: defaultdict[str, _Latencies] = defaultdict(_Latencies)
        self._process = psutil.Process(os.getpid())
        self._process_figures = ProcessCollector(registry=None)  # none where there is no /proc
        self.answers: defaultdict[str, int] = defaultdict(int)  # by what X-Cache says
        self.lag = 0.0

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests[method, route, status] += 1
        if status == HTTPStatus.SWITCHING_PROTOCOLS:
            return  # a socket's life is no latency
        latencies = self._latencies[route]
        latencies.counts[bisect_left(BOUNDS, seconds)] += 1
        latencies.total += seconds

    def exposition(self) -> tuple[bytes, str]:
        """The figures as text, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Metric]:
        """The figures, read when asked for."""
        for family in self._families():
            if self._worker is not None:
                for sample in family.samples:
                    sample.labels["worker"] = self._worker
            yield family

    def _families(self) -> Iterator[Metric]:
        backend, hub = self._backend, self._backend.hub
        prefix = "alphapulse_"
        requests = CounterMetricFamily(
            f"{prefix}http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        for (method, route, status), count in self._requests.items():
            requests.add_metric((method, route, str(status)), count)
        yield requests
        seconds = HistogramMetricFamily(
            f"{prefix}http_request_seconds",
            "Seconds from a request's head to its answer.",
            labels=("route",),
        )
        for route, latencies in self._latencies.items():
            seconds.add_metric((route,), latencies.buckets(), latencies.total)
        yield seconds
        yield GaugeMetricFamily(f"{prefix}websocket_connections", "Open sockets.", hub.connections)
        yield GaugeMetricFamily(
            f"{prefix}websocket_unauthenticated",
            "Open sockets that have not authenticated yet.",
            backend.admission.unauthenticated,
        )
        yield CounterMetricFamily(
            f"{prefix}websocket_deliveries", "Events handed to sockets.", hub.delivered
        )
        # What is alerted on begins at 0: Prometheus sees no increase in what was not there before.
        yield _counter_by(
            "reason",
            f"{prefix}websocket_closes",
            "Sockets closed by the server.",
            {SLOW_CONSUMER.reason: 0, **hub.closes},
        )
        yield GaugeMetricFamily(
            f"{prefix}events_pending", "Events not yet dealt to sockets.", hub.pending
        )
        events = backend.events
        yield GaugeMetricFamily(
            f"{prefix}events_waiting",
            "Events that wait for Redis.",
            events.waiting + backend.relay.waiting,
        )
        yield CounterMetricFamily(
            f"{prefix}event_breaks", "Times a channel was told to resync.", events.gaps
        )
        yield CounterMetricFamily(
            f"{prefix}event_entries_unreadable",
            "Entries of the shared log that were foreign or damaged.",
            events.unreadable,
        )
        yield GaugeMetricFamily(
            f"{prefix}writes_waiting", "Writes that wait for their commit.", backend.engine.waiting
        )
        yield GaugeMetricFamily(
            f"{prefix}commit_under_way_seconds",
            "How long the transaction that is being written has taken; 0 if there is none.",
            backend.engine.commit_seconds,
        )
        yield _counter_by(
            "state", f"{prefix}cache_answers", "Answers to GETs, by X-Cache.", self.answers
        )
        yield GaugeMetricFamily(
            f"{prefix}database_up",
            "Whether the database could be used when it was last looked at.",
            backend.readiness.database_up,
        )
        up = GaugeMetricFamily(
            f"{prefix}redis_up", "Whether the Redis of a key answers.", labels=("key",)
        )
        losses = CounterMetricFamily(
            f"{prefix}redis_losses", "How often it went away.", labels=("key",)
        )
        for link in backend.links:
            up.add_metric((link.key,), link.trouble is None)
            losses.add_metric((link.key,), link.losses)
        yield from (up, losses)
        queue = backend.feed.queue
        yield GaugeMetricFamily(
            f"{prefix}points_waiting", "Points handed over and not yet stored.", queue.waiting
        )
        yield _counter_by(
            "reason",
            f"{prefix}points_refused",
            "Points handed over and not stored.",
            dict.fromkeys(REFUSALS, 0) | queue.refused,
        )
        yield GaugeMetricFamily(
            f"{prefix}event_loop_lag_seconds", "How late the loop last woke.", self.lag
        )
        yield GaugeMetricFamily(
            f"{prefix}tasks", "Tasks of the event loop that are not done.", len(asyncio.all_tasks())
        )
        # Resident memory also grows where the allocator cannot give back what is free; this does
        # not, so the two together tell such a growth from a leak.
        yield GaugeMetricFamily(
            f"{prefix}memory_blocks",
            "Blocks of memory that the interpreter has allocated.",
            sys.getallocatedblocks(),
        )
        yield from self._process_figures.collect()

    async def measure_lag_forever(self) -> None:
        """Keep `lag` current, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self.lag = max(0.0, loop.time() - due)

    async def report_forever(self) -> None:
        """Record a sample of this process now and every 10 s, until cancelled."""
        while True:
            try:
                await self._backend.feed.report_system(await self._sample())
            except DashboardClosed:
                return
            except Unavailable as outage:
                self._backend.readiness.note_answer(outage.detail)
            except Problem as problem:
                logger.warning("the process could not report itself: %s", problem.detail)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _sample(self) -> dict[str, object]:
        # psutil reads files: off the loop.
        figures = await asyncio.to_thread(self._measure)
        slow = self.lag > LAG_SECONDS
        return {
            "component": f"{COMPONENT}-{self._worker}" if self._worker else COMPONENT,
            "status": "warning" if slow else "healthy",
            "message": "the event loop is late" if slow else None,
            "metrics": {
                **figures,
                "event_loop_lag_seconds": self.lag,
                "websocket_connections": self._backend.hub.connections,
                "writes_waiting": self._backend.engine.waiting,
            },
        }

    def _measure(self) -> dict[str, float]:
        with self._process.oneshot():
            return {
                "cpu_percent": self._process.cpu_percent(),
                "resident_bytes": self._process.memory_info().rss,
                "threads": self._process.num_threads(),
            }


def _counter_by(label: str, name: str, text: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    """A counter with one label, and a series for each of its values."""
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in counts.items():
        family.add_metric((value,), count)
    return family
