"""Objects, iterables and frames as records, given to the feed and sent by the client."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from alphapulse_api.client import ApiError
from alphapulse_api.domain.errors import ValidationProblem
from tests.conftest import Server
from tests.integration.test_values import AT, Side, point, trade

DAY = timedelta(days=1)


@dataclasses.dataclass
class AsDataclass:
    symbol: str
    side: Side
    quantity: Decimal
    price: float
    fee: float | None = None


@attrs.define
class AsAttrs:
    symbol: str
    side: Side
    quantity: Decimal
    price: float
    fee: float | None = None


class AsModel(pydantic.BaseModel):
    symbol: str
    side: Side
    quantity: Decimal
    price: float
    fee: float | None = None


class AsTuple(NamedTuple):
    symbol: str
    side: Side
    quantity: Decimal
    price: float
    fee: float | None = None


OBJECTS = [
    kind(symbol=f"S{n}", side=Side.BUY, quantity=Decimal("1.10"), price=2.5)
    for n, kind in enumerate((AsDataclass, AsAttrs, AsModel, AsTuple))
]


ROWS = {"symbol": ["S0", "S1"], "side": ["BUY", "buy"], "quantity": [1, 2],
        "price": [2.5, 2.5], "fee": [math.nan, 0.5]}  # fmt: skip


async def test_an_object_with_the_fields_is_a_record(writer: Any, server: Server) -> None:
    for given in OBJECTS:
        row = await writer.record_trade(given)
        trade = await server.dashboard.trades.get_trade(row["id"])
        assert (trade["symbol"], trade["side"], trade["fee"]) == (given.symbol, "buy", None)
        assert (str(trade["quantity"]), str(trade["price"])) == ("1.10", "2.5")


@pytest.mark.parametrize(
    "make",
    [lambda: OBJECTS, lambda: iter(OBJECTS), lambda: deque(OBJECTS), lambda: tuple(OBJECTS),
     lambda: dict(enumerate(OBJECTS)).values(), lambda: pd.DataFrame(ROWS),
     lambda: pl.DataFrame(ROWS), lambda: pa.table(ROWS),
     lambda: (row for _, row in pd.DataFrame(ROWS).iterrows())],
    ids=["list", "iterator", "deque", "tuple", "view", "pandas", "polars", "arrow", "rows"],
)  # fmt: skip
async def test_any_iterable_and_any_frame_is_a_list(
    writer: Any, server: Server, make: Callable[[], Any]
) -> None:
    await writer.record_trades(make())
    first = {row["symbol"]: row for row in await server.dashboard.trades.get_trades()}
    assert (first["S0"]["side"], first["S0"]["fee"]) == ("buy", None)
    batch = await writer.record_trades_batch(make(), on_error="continue")
    assert batch["refused"] == 0
    assert batch["accepted"] == len(first)


async def test_rows_of_a_frame_are_points(writer: Any, server: Server) -> None:
    frame = pd.DataFrame(
        {"metric_type": "risk", "name": ["a", "b"], "value": [1.0, math.nan],
         "timestamp": pd.to_datetime([AT, AT]), "labels": [{"n": 1}, None]}
    )  # fmt: skip
    assert await writer.record_metrics(frame) == 2
    assert (await writer.record_metrics_batch(frame))["accepted"] == 2
    rows = await server.dashboard.metrics.get_latest_metrics("risk")
    assert [(row["value"], row["timestamp"], row["labels"]) for row in rows] == [
        (1.0, AT, {"n": "1"}), (None, AT, {})
    ]  # fmt: skip


async def test_the_named_index_of_a_frame_is_a_field(writer: Any, server: Server) -> None:
    frame = pd.DataFrame(ROWS, index=pd.DatetimeIndex([AT, AT], name="executed_at"))
    # A column says more than an index of its name.
    both = frame.assign(executed_at=pd.to_datetime([AT, AT]) - DAY)
    for given in (frame, frame.set_index("symbol", append=True), both):
        await writer.record_trades(given)
    stored = await server.dashboard.trades.get_trades()
    times = [(row["symbol"], row["executed_at"]) for row in stored]
    for symbol in ("S0", "S1"):
        assert (times.count((symbol, AT)), times.count((symbol, AT - DAY))) == (2, 1)


async def test_an_index_of_times_without_a_name_is_refused(writer: Any) -> None:
    frame = pd.DataFrame(ROWS, index=pd.DatetimeIndex([AT, AT]))
    with pytest.raises(ValidationProblem, match="rename_axis"):
        await writer.record_trades(frame)
    await writer.record_trades(frame.assign(executed_at=AT))


async def test_rows_of_itertuples_lose_nothing_silently(writer: Any) -> None:
    frame = pd.DataFrame(ROWS, index=pd.DatetimeIndex([AT, AT], name="executed_at"))
    named = frame.assign(**{"my venue": "x"}).itertuples(index=False)
    for rows in (frame.itertuples(), named):
        with pytest.raises((ValidationProblem, ApiError), match="Unknown field"):
            await writer.record_trades(rows)
    await writer.record_trades(frame.reset_index().itertuples(index=False))


async def test_positions_may_be_a_frame(writer: Any) -> None:
    positions = pd.DataFrame({"symbol": [f"S{n}" for n in range(30)], "quantity": 1})
    stored = await writer.update_portfolio(
        {"total_value": 1, "cash": 1, "as_of": None, "currency": None, "positions": positions}
    )
    assert [position["symbol"] for position in stored["positions"]] == list(positions["symbol"])
    assert stored["currency"] == "USD"


async def test_what_is_no_record_and_no_list_is_refused(writer: Any) -> None:
    for given in ("text", b"bytes", 7, None, {1, 2}, object()):
        for write in (writer.record_trade, writer.record_trades, writer.record_metrics):
            with pytest.raises((ValidationProblem, ApiError, TypeError)):
                await write(given)


async def test_unknown_fields_go_into_the_metadata_where_that_is_asked(writer: Any) -> None:
    given = {**trade("fee", 1), "venue": Side.BUY, "info": 2, "metadata": {"info": 2}}
    with pytest.raises((ValidationProblem, ApiError), match="Unknown field"):
        await writer.record_trade(given)
    stored = await writer.record_trade(given, extras="metadata")
    assert stored["metadata"] == {"venue": "buy", "info": 2}
    assert "venue" in given
    alert = await writer.raise_alert({"title": "t", "x": np.int64(1)}, extras="metadata")
    assert alert["metadata"] == {"x": 1}
    signal = {"symbol": "A", "direction": "BUY", "edge": 0.5}
    stored = await writer.record_signal("m1", signal, extras="metadata")
    assert (stored["metadata"], stored["direction"]) == ({"edge": 0.5}, "buy")
    batch = await writer.record_trades_batch([given], extras="metadata")
    assert batch["accepted"] == 1


@pytest.mark.parametrize("value", [3, np.array([1, 2])], ids=["another number", "an array"])
async def test_an_unknown_field_beside_other_metadata_of_its_name_is_refused(
    writer: Any, value: Any
) -> None:
    given = {**trade("fee", 1), "venue": value, "metadata": {"venue": 2}}
    with pytest.raises((ValidationProblem, ApiError), match="Unknown field") as refused:
        await writer.record_trade(given, extras="metadata")
    assert refused.value.errors == [{"pointer": "/venue", "detail": "Unknown field."}]
    good = {**trade("fee", 1), "venue": 2, "metadata": {"venue": 2}}
    batch = await writer.record_trades_batch([given, good], on_error="continue", extras="metadata")
    assert [result["status"] for result in batch["results"]] == [422, 201]


async def test_an_object_that_cannot_be_read_costs_no_other(server: Server) -> None:
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no items")

    good, broken = point("name", "good"), Broken(point("name", "broken"))
    result = await server.feed.record_metrics_batch([good, broken], on_error="continue")
    assert [entry["status"] for entry in result["results"]] == [201, 422]
    assert "RuntimeError: no items" in result["results"][1]["error"]
    result = await server.feed.record_trades_batch(
        [trade("fee", 1), Broken(trade("fee", 1))], on_error="continue"
    )
    assert [entry["status"] for entry in result["results"]] == [201, 422]
