"""Points as trading code has them, recorded and handed over."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from tests.conftest import Server
from tests.integration.test_values import AT, ID, Level, Side, SideStr, Symbol, point
from tests.streams import client_of
from tests.waiting import until

POINTS: list[tuple[str, Any, Any]] = [
    ("value", 1, 1.0),
    ("value", Decimal("1.5"), 1.5),
    ("value", np.float32(0.1), 0.1),
    ("value", np.float64(0.1), 0.1),
    ("value", np.int32(3), 3.0),
    ("value", Level.HIGH, 3.0),
    ("value", math.nan, None),
    ("value", Decimal("Infinity"), None),
    ("value", Decimal("sNaN"), None),
    ("value", np.array(2.5), 2.5),
    ("value", Fraction(1, 4), 0.25),
    ("value", pd.NA, None),
    ("metric_type", Symbol("AAPL").lower(), "aapl"),
    ("name", Symbol.AAPL, "AAPL"),
    ("name", UUID(ID), ID),
    ("labels", {Side.BUY: Symbol.AAPL, "agent": UUID(ID)}, {"buy": "AAPL", "agent": ID}),
    ("labels", {"n": 3, "side": SideStr.BUY, "none": None}, {"n": "3", "side": "buy"}),
    ("labels", {"f": np.float32(0.1), "b": True}, {"b": "true", "f": "0.1"}),
    ("timestamp", pd.Timestamp("2026-01-31T12:00:00.123456789Z"), AT),
    ("timestamp", np.float64(1769860800.5), datetime(2026, 1, 31, 12, 0, 0, 500000, tzinfo=UTC)),
    ("name", AT, "2026-01-31T12:00:00.123456Z"),
    (
        "labels",
        {"expiry": date(2026, 3, 27), "at": AT},
        {"expiry": "2026-03-27", "at": "2026-01-31T12:00:00.123456Z"},
    ),
]


async def test_a_point_means_the_same_by_feed_and_by_client(writer: Any, server: Server) -> None:
    for field, given, stored in POINTS:
        record = point(field, given)
        await writer.record_metrics([record])
        await writer.record_metrics(record)
        kind = stored if field == "metric_type" else "risk"
        rows = await server.dashboard.metrics.get_latest_metrics(kind)
        assert stored in [row[field] for row in rows], (field, given, rows)


async def test_of_points_handed_over_a_bad_one_costs_no_other(server: Server) -> None:
    feed = server.dashboard.feed
    bad: list[Any] = [point("value", "x"), 7, None, point("timestamp", datetime(2026, 1, 1)),  # noqa: DTZ001
                      point("value", 10**400), point("labels", 3)]  # fmt: skip
    good = [point("name", f"n{n}") for n in range(15)]
    assert feed.hand_over([*good, point("value", Decimal("sNaN")), *bad]) == 22
    await feed.record_metrics(point("name", "later"))
    await until(lambda: not feed.stats().depth)
    rows = await server.dashboard.metrics.get_latest_metrics("risk")
    assert len(rows) == 17
    stats = feed.stats()
    assert (stats.refused, stats.stored) == (6, 17)
    assert [refusal.reason.partition(":")[0] for refusal in stats.last_refusals] == [
        "/value", "body", "body", "/timestamp", "/value", "/labels"
    ]  # fmt: skip


async def test_points_that_are_handed_over_are_converted(server: Server) -> None:
    assert server.feed.hand_over(point("value", np.float32(0.1))) == 1
    await server.feed.record_metrics(point("name", "later"))
    async with client_of(server) as client:
        rows = {row["name"]: row["value"] async for row in client.latest_metrics("risk")}
    assert rows["later"] == 1.0
    assert rows.get("var", 0.1) == 0.1
