"""Events of metric points as columns, which they had when they were written here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from alphapulse_api.domain.points import Points, SeriesName
from alphapulse_api.domain.times import to_micros
from alphapulse_api.log import Event
from alphapulse_api.log.batch import EventBatch

MAX_SERIES: Final = 50_000  # that are remembered


class EventColumns:
    """Makes columns of events; the points of a series share one object, as columns need it."""

    __slots__ = ("_series",)

    def __init__(self) -> None:
        self._series: dict[tuple[Any, ...], SeriesName] = {}

    def __repr__(self) -> str:
        return f"<EventColumns series={len(self._series)}>"

    def of(self, events: Sequence[Event]) -> Points:
        """The points of events of the channel `metrics`."""
        if isinstance(events, EventBatch) and isinstance(events.records, Points):
            return events.records
        points = Points()
        for event in events:
            data = event.data
            labels = data["labels"]
            key = data["metric_type"], data["name"], *labels.items()
            series = self._series.get(key)
            if series is None:
                if len(self._series) >= MAX_SERIES:
                    self._series.clear()
                series = SeriesName(data["metric_type"], data["name"], labels)
                self._series[key] = series
            points.series.append(series)
            points.instants.append(micros_of(data["timestamp"]))
            points.values.append(data["value"])
        return points


def micros_of(time: Any) -> int:
    """The microseconds of a time in an event, which is text if it was read as JSON."""
    return to_micros(datetime.fromisoformat(time) if isinstance(time, str) else time)
