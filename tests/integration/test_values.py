"""One table of values as trading code has them, given to the feed and sent by the client."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import uuid_utils

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import ApiError, DashboardClient
from alphapulse_api.client.values import request_body
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.plain import plain
from tests.conftest import Server

Record = Mapping[str, Any]
Write = Callable[[Record], Awaitable[Any]]
AT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
ID = "6f1cf5a0-4a1e-4a56-9e62-1d8f4f7f7a01"


class Side(Enum):
    BUY = "buy"


class Status(str, Enum):  # noqa: UP042  (its str() is not its value)
    FILLED = "filled"


class SideStr(str, Enum):  # noqa: UP042
    BUY = "buy"


class FeePaid(NamedTuple):
    currency: str
    amount: Any


class Symbol(StrEnum):
    AAPL = "AAPL"


class Level(IntEnum):
    HIGH = 3


# (field, given, stored); the other fields of the trade are plain.
TRADES: list[tuple[str, Any, Any]] = [
    ("id", UUID(ID), ID),
    ("id", uuid_utils.UUID(ID), ID),
    ("id", 4711, "4711"),
    ("id", np.int64(4712), "4712"),
    ("order_id", 12345678901234567890, "12345678901234567890"),
    ("side", Side.BUY, "buy"),
    ("side", SideStr.BUY, "buy"),
    ("side", "BUY", "buy"),
    ("side", "Sell", "sell"),
    ("status", "CANCELED", "cancelled"),
    ("order_type", "TRAILING_STOP_MARKET", "trailing_stop_market"),
    ("order_type", "Post-Only", "post_only"),
    ("order_type", None, "market"),
    ("status", Status.FILLED, "filled"),
    ("symbol", Symbol.AAPL, "AAPL"),
    ("symbol", np.str_("AAPL"), "AAPL"),
    ("agent_id", UUID(ID), ID),
    ("price", np.float64(10.1), Decimal("10.1")),
    ("price", np.float32(10.1), Decimal("10.1")),
    ("price", np.int64(10), Decimal(10)),
    ("price", np.array(10.5), Decimal("10.5")),
    ("price", Decimal("10.50"), Decimal("10.50")),
    ("price", Fraction(21, 2), Decimal("10.5")),
    ("price", Fraction(1, 3), Decimal("0.3333333333333333")),
    ("quantity", np.longdouble(1.5), Decimal("1.5")),
    ("price", Decimal("1E-8"), Decimal("0.00000001")),
    ("price", "10.50", Decimal("10.50")),
    ("quantity", 1e-7, Decimal("0.0000001")),
    ("fee", math.nan, None),
    ("fee", np.float64("nan"), None),
    ("fee", Decimal("NaN"), None),
    ("fee", Decimal("sNaN"), None),
    ("status", math.nan, "filled"),
    ("agent_id", pd.NA, None),
    ("fee", math.inf, None),
    ("fee", pd.NA, None),
    ("fee", Decimal("-0.5"), Decimal("-0.5")),
    ("strategy", None, None),
    ("executed_at", AT, AT),
    ("executed_at", AT.astimezone(timezone(timedelta(hours=2))), AT),
    ("executed_at", pd.Timestamp("2026-01-31T12:00:00.123456789Z"), AT),
    ("executed_at", np.int64(1769860800), datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ("executed_at", 1769860800123456789, AT),
    ("executed_at", np.datetime64("2026-01-31T12:00:00.123456789"), AT),
    ("executed_at", date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)),
    ("fees", ({"currency": Symbol.AAPL, "amount": np.float32(0.1)},),
     [{"currency": "AAPL", "amount": Decimal("0.1")}]),
    ("fees", deque([FeePaid("USD", Decimal(1))]), [{"currency": "USD", "amount": Decimal(1)}]),
    ("metadata", {"note": Side.BUY, "id": UUID(ID)}, {"note": "buy", "id": ID}),
    ("metadata", {Side.BUY: 1, 7: 2, None: 3}, {"buy": 1, "7": 2, "null": 3}),
    ("metadata", {"n": np.int64(7), "b": np.bool_(True)}, {"n": 7, "b": True}),
    ("metadata", {"f": np.float32(0.1), "d": Decimal("0.1")}, {"f": 0.1, "d": 0.1}),
    ("metadata", {"a": math.nan, "b": -math.inf, "c": pd.NaT}, dict.fromkeys("abc")),
    ("metadata", {"array": np.array([1.5, math.nan])}, {"array": [1.5, None]}),
    ("metadata", {"pair": (1, Level.HIGH)}, {"pair": [1, 3]}),
    ("metadata", {"day": date(2026, 1, 31)}, {"day": "2026-01-31"}),
    ("metadata", {"held": timedelta(days=1, hours=2)}, {"held": "P1DT2H"}),
    ("metadata", {"at": pd.Timestamp(AT)}, {"at": "2026-01-31T12:00:00.123456Z"}),
    ("metadata", MappingProxyType({"a": 1}), {"a": 1}),
    ("metadata", {"fee": FeePaid("USD", 1), "half": Fraction(1, 2)},
     {"fee": {"currency": "USD", "amount": 1}, "half": 0.5}),
    ("strategy", AT, "2026-01-31T12:00:00.123456Z"),
    ("strategy", date(2026, 3, 27), "2026-03-27"),
    ("order_id", np.datetime64("2026-01-31T12:00:00"), "2026-01-31T12:00:00.000000Z"),
]  # fmt: skip


REFUSED: list[tuple[str, Any]] = [
    ("price", math.nan),  # left out, and a trade needs one
    ("price", np.datetime64("2026-01-31")),
    ("quantity", {1}),
    ("side", Level.HIGH),
    ("executed_at", datetime(2026, 1, 31)),  # noqa: DTZ001
    ("executed_at", pd.Timestamp("2026-01-31")),
    ("strategy", datetime(2026, 1, 31)),  # noqa: DTZ001
    ("metadata", {"at": datetime(2026, 1, 31)}),  # noqa: DTZ001
    ("metadata", {"raw": b"bytes"}),
    ("metadata", {"set": {1}}),
    ("metadata", {(1, 2): 3}),
]


def trade(field: str, given: Any) -> dict[str, Any]:
    base = {"symbol": "MSFT", "side": "sell", "quantity": 1, "price": 2, "executed_at": AT}
    return {**base, field: given}


def point(field: str, given: Any) -> dict[str, Any]:
    base = {"metric_type": "risk", "name": "var", "value": 1.0, "timestamp": AT}
    return {**base, field: given}


async def test_a_trade_means_the_same_by_feed_and_by_client(writer: Any, server: Server) -> None:
    for field, given, stored in TRADES:
        row = await writer.record_trade(trade(field, given))
        read = await server.dashboard.trades.get_trade(row["id"])
        assert read[field] == stored, (field, given)
        if isinstance(stored, Decimal):
            assert str(read[field]) == str(stored), (field, given)
        if field == "id":
            await server.feed.record_trade(trade("id", ID))  # the same trade, once more


async def test_a_list_of_trades_is_converted_too(writer: Any, server: Server) -> None:
    batch = [{**trade(field, given), "id": f"t{i}"} for i, (field, given, _) in enumerate(TRADES)]
    await writer.record_trades(batch)
    for number, (field, given, stored) in enumerate(TRADES):
        if field != "id":
            read = await server.dashboard.trades.get_trade(f"t{number}")
            assert read[field] == stored, (field, given)


async def test_what_is_no_value_is_refused_by_both(writer: Any) -> None:
    for field, given in REFUSED:
        with pytest.raises((ValidationProblem, ApiError, TypeError, ValueError)) as caught:
            await writer.record_trade(trade(field, given))
        if isinstance(caught.value, ApiError):
            assert caught.value.status == 422, (field, given)


async def test_the_other_records_are_converted_as_well(writer: Any, server: Server) -> None:
    alert = await writer.raise_alert(
        {"id": UUID(ID), "title": Symbol.AAPL, "message": "m", "severity": "info",
         "metric_value": np.float32(0.1), "threshold": Decimal("0.2"), "tags": (Side.BUY,)}
    )  # fmt: skip
    assert (alert["id"], alert["title"], alert["tags"]) == (ID, "AAPL", ["buy"])
    assert (alert["metric_value"], alert["threshold"]) == (0.1, 0.2)
    portfolio = await writer.update_portfolio(
        {"total_value": np.float64(10.1), "cash": Decimal("1.10"), "currency": "USD",
         "performance": {"sharpe": np.float64("nan"), Side.BUY: np.int64(2)},
         "positions": ({"symbol": Symbol.AAPL, "side": "long", "quantity": np.int64(1),
                        "entry_price": np.float32(9.1), "current_price": 9, "opened_at": None},)}
    )  # fmt: skip
    assert portfolio["performance"] == {"sharpe": None, "buy": 2.0}
    assert (str(portfolio["total_value"]), str(portfolio["cash"])) == ("10.1", "1.10")
    assert str(portfolio["positions"][0]["entry_price"]) == "9.1"
    update: dict[str, Any] = {"state": "active", "metrics": {"m": np.float32(0.5)}}
    by_client = isinstance(writer, DashboardClient)
    if not by_client:  # its key may only publish
        assert (await writer.resolve_alert(UUID(ID)))["id"] == ID
    update_agent: Any = writer.update_agent
    agent = await (
        update_agent(UUID(ID), **update) if by_client else update_agent(UUID(ID), update)
    )
    assert (agent["agent_id"], agent["metrics"]) == (ID, {"m": 0.5})
    signal = await writer.record_signal(
        UUID(ID), {"symbol": Symbol.AAPL, "direction": Side.BUY, "confidence": np.float32(0.5),
                   "target_price": np.float32(10.1), "stop_loss": math.nan}
    )  # fmt: skip
    assert (str(signal["target_price"]), signal["stop_loss"]) == ("10.1", None)
    sample = await writer.report_system(
        {"component": Symbol.AAPL, "status": "healthy", "metrics": {"cpu": np.float16(0.5)}}
    )
    assert (sample["component"], sample["metrics"]) == ("AAPL", {"cpu": 0.5})


HORIZONS: list[tuple[Any, str]] = [
    ("P1W", "P1W"),
    (timedelta(days=5, hours=4), "P5DT4H"),
    (pd.Timedelta(minutes=90, nanoseconds=7), "PT1H30M"),
    (np.timedelta64(1500, "ms"), "PT1.5S"),
]


async def test_a_horizon_may_be_a_length_of_time(writer: Any) -> None:
    signal = {"symbol": "AAPL", "direction": "buy"}
    for given, stored in HORIZONS:
        made = await writer.record_signal("a", {**signal, "horizon": given})
        assert made["horizon"] == stored
    for wrong in (timedelta(0), -timedelta(1), np.timedelta64(3, "Y")):
        with pytest.raises((ValidationProblem, ApiError, TypeError)):
            await writer.record_signal("a", {**signal, "horizon": wrong})


@pytest.mark.parametrize("zone", ["", "America/New_York"])
async def test_the_configuration_says_what_naive_times_are(
    zone: str, config: Config, tmp_path: Any
) -> None:
    naive = datetime(2026, 1, 31, 7, 0, 0, 123456)  # noqa: DTZ001
    async with Dashboard(dataclasses.replace(config, timezone=zone)) as dashboard:
        feed = dashboard.feed
        if not zone:
            with pytest.raises(ValidationProblem, match="has no time zone"):
                await feed.record_trade(trade("executed_at", naive))
            with pytest.raises(ValidationProblem, match="has no time zone"):
                await feed.record_metrics([point("timestamp", naive)])
            return
        assert (await feed.record_trade(trade("executed_at", naive)))["executed_at"] == AT
        await feed.record_metrics([point("timestamp", naive), point("name", "b")])
        rows = await dashboard.metrics.get_latest_metrics("risk")
        assert [row["timestamp"] for row in rows] == [AT, AT]


async def test_the_client_may_have_a_zone_for_naive_times(server: Server) -> None:
    naive = datetime(2026, 1, 31, 7, 0, 0, 123456)  # noqa: DTZ001
    key = (await server.key("publish"))["X-API-Key"]
    zone = "America/New_York"
    async with DashboardClient(server.url, api_key=key, timezone=zone) as client:
        given = {**trade("executed_at", naive), "metadata": {"at": naive}}
        stored = await client.record_trade(given)
        assert (stored["executed_at"], stored["metadata"]) == (
            AT, {"at": "2026-01-31T12:00:00.123456Z"}
        )  # fmt: skip
    with pytest.raises(ValueError, match="not an IANA time zone"):
        DashboardClient(server.url, api_key=key, timezone="Mars/Base")


def test_what_was_given_is_not_changed() -> None:
    given = {"a": [math.nan, {"b": Side.BUY}], "t": (1,)}
    assert plain(given) == {"a": [None, {"b": "buy"}], "t": [1]}
    assert given["a"][1] == {"b": Side.BUY}
    assert given["t"] == (1,)


def test_nesting_without_an_end_is_refused_by_the_name_of_its_field() -> None:
    endless: dict[str, Any] = {"symbol": "BTC"}
    endless["metadata"] = endless
    with pytest.raises(ValidationProblem, match=r"^/metadata: More than 1048576 values"):
        plain(endless)


def test_what_is_too_deep_or_too_long_is_left_to_whoever_validates() -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    assert plain(deep) == deep
    assert plain([[1] * 10_001])[0] == [1] * 10_001


def test_integers_of_any_size_are_sent_digit_for_digit() -> None:
    wei = 10**30 + 1
    body = request_body({"metadata": {"wei": wei, "few": [-wei], "price": Decimal("1.10")}})
    assert body == b'{"metadata":{"wei":%d,"few":[%d],"price":1.10}}' % (wei, -wei)
    assert json.loads(body)["metadata"]["wei"] == wei
