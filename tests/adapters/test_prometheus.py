"""The samples of a real registry, read and recorded by the bridge."""

from __future__ import annotations

import math

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from alphapulse_api import Config, Dashboard
from alphapulse_api.adapters import prometheus
from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_SINK
from tests.adapters.viewer import Viewer
from tests.documented import LINES


def test_samples_are_points_named_by_one_rule() -> None:
    registry = CollectorRegistry()
    Gauge("depth", "", ["venue", "side", "metric_type"], registry=registry).labels(
        "kraken", "", "risk"
    ).set(3)
    Counter("orders", "", registry=registry).inc(2)
    Histogram("delay", "", buckets=[1.0], registry=registry).observe(0.5)
    found = [
        (point["metric_type"], point["name"], point["labels"], point["value"])
        for point in prometheus.points(registry)
    ]
    assert found == [
        ("risk", "depth", {"venue": "kraken"}, 3.0),
        ("prometheus", "orders_total", {}, 2.0),
        ("prometheus", "delay_bucket", {"le": "1.0"}, 1.0),
        ("prometheus", "delay_bucket", {"le": "+Inf"}, 1.0),
        ("prometheus", "delay_count", {}, 1.0),
        ("prometheus", "delay_sum", {}, 0.5),
    ]


@EVERY_SINK
def test_the_bridge_records_at_the_end_and_refuses_a_bad_sample_alone(
    sink: HostFeed | SyncDashboardClient, viewer: Viewer
) -> None:
    registry = CollectorRegistry()
    names = [f"label{n}" for n in range(17)]
    Gauge("wide", "", names, registry=registry).labels(*names).set(1)
    unknown = Gauge("unknown", "", registry=registry)
    depth = Gauge("depth", "", registry=registry)
    with prometheus.Bridge(sink, registry, interval=3600):
        unknown.set(math.nan)
        depth.set(7)
    latest = {row["name"]: row["value"] for row in viewer.get("/api/metrics/prometheus/latest")}
    assert latest == {"unknown": None, "depth": 7.0}


def test_the_documented_line_records_while_something_runs(feed: HostFeed, viewer: Viewer) -> None:
    trading = Gauge("alphapulse_test_trading", "")
    names = {"prometheus": prometheus, "feed": feed, "trade": lambda: trading.set(1)}
    try:
        exec(LINES["metrics of prometheus_client"], names)
    finally:
        REGISTRY.unregister(trading)
    latest = {row["name"]: row["value"] for row in viewer.get("/api/metrics/prometheus/latest")}
    assert latest["alphapulse_test_trading"] == 1.0


async def test_the_bridge_records_into_a_dashboard_of_the_loop(config: Config) -> None:
    registry = CollectorRegistry()
    Gauge("depth", "", registry=registry).set(7)
    async with Dashboard(config) as dashboard:
        with prometheus.Bridge(dashboard.feed, registry, interval=3600):
            pass
    async with Dashboard(config) as dashboard:
        (row,) = await dashboard.metrics.get_latest_metrics("prometheus")
    assert (row["name"], row["value"]) == ("depth", 7.0)


def test_a_collector_that_raises_does_not_end_the_bridge(feed: HostFeed, viewer: Viewer) -> None:
    registry = CollectorRegistry()
    depth = Gauge("depth", "", registry=registry)

    def fail() -> float:
        raise RuntimeError("broken")

    depth.set_function(fail)
    with prometheus.Bridge(feed, registry, interval=3600):
        depth.set_function(lambda: 7.0)
    assert [row["value"] for row in viewer.get("/api/metrics/prometheus/latest")] == [7.0]
