"""Rules and points for tests, without a store or a clock."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.domain.points import Points, SeriesName
from alphapulse_api.rules.rule import Rule

SECOND: Final = 1_000_000
BEGIN: Final = 1_800_000_000 * SECOND


def record(**fields: Any) -> dict[str, Any]:
    """A rule as it is stored: the newest drawdown of a book is above 10."""
    return {
        "id": "r",
        "name": "Drawdown",
        "revision": 1,
        "changed_at": 0,
        "watch": "metric",
        "metric_type": "risk",
        "metric_name": "drawdown",
        "function": "last",
        "operator": ">",
        "threshold": 10.0,
        "severity": "warning",
        "title": "{name} is {value}",
        "message": "",
        **fields,
    }


def rule(**fields: Any) -> Rule:
    """The same, compiled."""
    return Rule(record(**fields))


def at(seconds: float) -> int:
    """An instant in microseconds."""
    return BEGIN + round(seconds * SECOND)


def points(*values: tuple[float, float | None], name: str = "drawdown", **labels: str) -> Points:
    """Points of one series, each a second and a value."""
    made = Points()
    series = SeriesName("risk", name, labels)
    for seconds, value in values:
        made.series.append(series)
        made.instants.append(at(seconds))
        made.values.append(value)
    return made
