"""prometheus_client: records the samples of a registry as metric points, at an interval.

    with prometheus.Bridge(feed):  # the registry of the process, every 15 s
        trade()

A point has the name and the non-empty labels of its sample. A label `metric_type` becomes the
point's type instead of a label; the default type is `prometheus`. The `_created` samples are times,
not measurements, and are left out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any, Final

from alphapulse_api.adapters.missing import missing
from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.record.feed import MAX_BATCH, Feed

try:
    from prometheus_client import REGISTRY
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise missing("prometheus-client", error) from None

logger = logging.getLogger(__name__)

METRIC_TYPE: Final = "prometheus"
TYPE_LABEL: Final = "metric_type"


def points(registry: Collector = REGISTRY) -> Iterator[dict[str, Any]]:
    """The samples of a registry as points; one without a time gets the time of recording."""
    for family in registry.collect():
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            labels = {key: text for key, text in sample.labels.items() if text}
            yield {
                "metric_type": labels.pop(TYPE_LABEL, METRIC_TYPE),
                "name": sample.name,
                "labels": labels,
                "value": float(sample.value),
                "timestamp": None if sample.timestamp is None else float(sample.timestamp),
            }


class Bridge:
    """Records the samples of a registry from a separate thread.

    An invalid sample (over 16 labels, a name over 128 characters) is refused alone. The first of
    several failures in a row is logged; none is raised into the host.

    Args:
        feed: the feed of any kind of dashboard, or the synchronous client.
        registry: the registry to read.
        interval: seconds between readings.
    """

    def __init__(
        self,
        feed: Feed | HostFeed | SyncDashboardClient,
        registry: Collector = REGISTRY,
        interval: float = 15.0,
    ) -> None:
        self._feed = feed
        self._registry = registry
        self._interval = interval
        self._failing = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prometheus-bridge", daemon=True)

    def __enter__(self) -> Bridge:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Record the samples now, and then at every interval."""
        self._thread.start()

    def close(self) -> None:
        """Record the samples once more, and stop. Close the bridge before the dashboard."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            self._record()
            ended = self._ended.wait(self._interval)
        self._record()

    def _record(self) -> None:
        try:
            found = list(points(self._registry))
            for start in range(0, len(found), MAX_BATCH):
                self._send(found[start : start + MAX_BATCH])
        except Exception as error:  # a host's collector may raise anything
            if not self._failing:
                logger.warning("The samples of the registry cannot be recorded: %s", error)
            self._failing = True
        else:
            self._failing = False

    def _send(self, found: list[dict[str, Any]]) -> None:
        if isinstance(self._feed, Feed):
            self._feed.hand_over(found)
        else:
            self._feed.record_metrics_batch(found, on_error="continue")
