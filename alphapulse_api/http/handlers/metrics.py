"""Metric points: read raw or in buckets, and recorded."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def list_series(call: Call) -> Any:
    """The series known, by type and name, with the range and number of their points."""
    return await call.view.metrics.list_series(**call.query)


async def get_metrics(call: Call) -> Any:
    """Points of a type, oldest first, raw or aggregated into time buckets."""
    query = dict(call.query)
    if "label" in query:
        query["labels"] = query.pop("label")
    return await call.view.metrics.get_metrics(call.path["metric_type"], **query)


async def export_metrics(call: Call) -> Any:
    """Every point of a type that matches, oldest first, or its buckets, as a file."""
    return await get_metrics(call)


async def get_latest(call: Call) -> Any:
    """The newest point of every series of a type, by name."""
    query = dict(call.query)
    if "label" in query:
        query["labels"] = query.pop("label")
    metric_type = call.path["metric_type"]
    return await call.view.metrics.get_latest_metrics(metric_type, **query)


async def record_metrics(call: Call) -> Any:
    """Record a point.

    A point of the same series and time takes the place of the one before. A body that is an array
    is stored as a whole or not at all.
    """
    return {"accepted": await call.view.feed.record_metrics(call.body)}


async def record_batch(call: Call) -> Any:
    """Record up to 10000 points, and report the result of each."""
    return await call.view.feed.record_metrics_batch(call.body, **call.query)
