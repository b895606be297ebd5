"""The Prometheus metrics of the parts of a backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from alphapulse_api.domain.errors import SLOW_CONSUMER
from alphapulse_api.log import EventLog
from alphapulse_api.record.point_queue import REFUSALS, PointQueue
from alphapulse_api.record.relay import Relay
from alphapulse_api.record.series_watch import SeriesWatch
from alphapulse_api.runtime.monitor import PREFIX, counter_by
from alphapulse_api.runtime.readiness import Readiness
from alphapulse_api.runtime.redis import RedisLinks
from alphapulse_api.sockets.admission import Admission
from alphapulse_api.sockets.registry import Registry
from alphapulse_api.storage.engine import Engine


@dataclass(frozen=True, slots=True)
class Figures:
    """Reads the figures of these parts whenever Prometheus scrapes."""

    engine: Engine
    links: RedisLinks
    readiness: Readiness
    events: EventLog
    relay: Relay
    queue: PointQueue
    admission: Admission
    connections: Registry
    series: SeriesWatch

    def __call__(self) -> Iterator[Metric]:
        yield from self._sockets()
        yield from self._events()
        yield from self._storage()
        yield from self._redis()

    def gauges(self) -> dict[str, float]:
        """The figures in the system samples that this process reports on itself."""
        return {
            "websocket_connections": len(self.connections),
            "writes_waiting": self.engine.waiting,
        }

    def _sockets(self) -> Iterator[Metric]:
        connections = self.connections
        yield GaugeMetricFamily(f"{PREFIX}websocket_connections", "Open sockets.", len(connections))
        yield GaugeMetricFamily(
            f"{PREFIX}websocket_unauthenticated",
            "Open sockets that have not authenticated yet.",
            self.admission.unauthenticated,
        )
        yield CounterMetricFamily(
            f"{PREFIX}websocket_deliveries",
            "Events written to sockets.",
            connections.fanout.delivered,
        )
        # A series that alerts depend on starts at 0: Prometheus sees no increase in a series that
        # did not exist before.
        yield counter_by(
            "reason",
            f"{PREFIX}websocket_closes",
            "Sockets closed by the server.",
            {SLOW_CONSUMER.reason: 0, **connections.closes},
        )
        yield GaugeMetricFamily(
            f"{PREFIX}events_pending",
            "Events not yet dispatched to sockets.",
            connections.fanout.pending,
        )

    def _events(self) -> Iterator[Metric]:
        events = self.events
        yield GaugeMetricFamily(
            f"{PREFIX}events_waiting",
            "Events that wait for Redis.",
            events.waiting + self.relay.waiting,
        )
        yield CounterMetricFamily(
            f"{PREFIX}event_breaks", "Gaps: a channel lost events, and clients resync.", events.gaps
        )
        held = GaugeMetricFamily(
            f"{PREFIX}event_log_bytes",
            "Bytes of the events that this process keeps for clients that reconnect.",
            labels=("channel",),
        )
        shared = GaugeMetricFamily(
            f"{PREFIX}event_log_redis_bytes",
            "Bytes of the events in Redis, the same in every process.",
            labels=("channel",),
        )
        for family, sizes in ((held, events.held), (shared, events.shared)):
            for channel, size in sizes.items():
                family.add_metric((channel,), size)
        yield from (held, shared)
        yield counter_by(
            "channel",
            f"{PREFIX}event_log_evictions",
            "Events that this process evicted because of events.max_bytes.",
            events.evicted,
        )
        yield CounterMetricFamily(
            f"{PREFIX}event_entries_unreadable",
            "Entries of the shared log that were foreign or damaged.",
            events.unreadable,
        )

    def _storage(self) -> Iterator[Metric]:
        engine, queue = self.engine, self.queue
        yield GaugeMetricFamily(
            f"{PREFIX}writes_waiting", "Writes that wait for their commit.", engine.waiting
        )
        yield GaugeMetricFamily(
            f"{PREFIX}commit_under_way_seconds",
            "Duration of the transaction that is being written; 0 if there is none.",
            engine.commit_seconds,
        )
        yield GaugeMetricFamily(
            f"{PREFIX}database_up",
            "Whether the database was usable at the last check.",
            self.readiness.database_up,
        )
        yield GaugeMetricFamily(
            f"{PREFIX}series", "Series of metrics, counted once a minute.", self.series.count
        )
        yield GaugeMetricFamily(
            f"{PREFIX}series_limit", "Series of metrics that may exist.", self.series.limit
        )
        yield GaugeMetricFamily(
            f"{PREFIX}series_of_key",
            "Most series of metrics that one API key has made, counted once a minute.",
            self.series.count_of_key,
        )
        yield GaugeMetricFamily(
            f"{PREFIX}series_of_key_limit",
            "Series of metrics that one API key may make.",
            self.series.limit_of_key,
        )
        yield GaugeMetricFamily(
            f"{PREFIX}points_waiting", "Points queued and not yet stored.", queue.waiting
        )
        yield counter_by(
            "reason",
            f"{PREFIX}points_refused",
            "Queued points that were not stored.",
            dict.fromkeys(REFUSALS, 0) | queue.refused,
        )

    def _redis(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(
            f"{PREFIX}redis_up",
            "Whether the Redis of a configuration key answers.",
            labels=("key",),
        )
        losses = CounterMetricFamily(
            f"{PREFIX}redis_losses", "Times that it stopped answering.", labels=("key",)
        )
        for link in self.links:
            up.add_metric((link.key,), link.trouble is None)
            losses.add_metric((link.key,), link.losses)
        yield from (up, losses)
