"""JSON to Python and back in the client: no digit lost, no instant without a zone."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.client import values
from alphapulse_api.domain.errors import ValidationProblem


def test_money_and_instants_are_converted_at_every_level() -> None:
    portfolio = values.convert(
        {
            "total_value": "0.10",
            "cash": "1",
            "as_of": "2026-01-31T12:00:00.000001Z",
            "performance": {"sharpe": 1.5},
            "positions": [{"symbol": "A", "quantity": "1E-8", "price": None, "opened_at": None}],
            "history": [{"timestamp": "2026-01-31T12:00:00Z", "cash": "5"}],
        },
        values.PORTFOLIO,
    )
    assert portfolio["total_value"].as_tuple() == Decimal("0.10").as_tuple()
    assert portfolio["as_of"] == datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC)
    assert portfolio["performance"] == {"sharpe": 1.5}
    assert portfolio["positions"][0]["quantity"] == Decimal("0.00000001")
    assert portfolio["positions"][0]["opened_at"] is None
    assert portfolio["history"][0]["timestamp"].utcoffset() == timedelta(0)
    assert portfolio["history"][0]["cash"] == Decimal(5)


def test_what_goes_out_is_what_the_server_reads() -> None:
    said = {
        "price": Decimal("1E-8"),
        "at": datetime(2026, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))),
        "value": math.nan,
    }
    assert json.loads(values.dumps(said)) == {
        "price": "0.00000001",
        "at": "2026-01-31T12:00:00.000000Z",
        "value": None,
    }


def test_a_naive_time_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="time zone"):
        values.rfc3339(datetime(2026, 1, 31))  # noqa: DTZ001
    with pytest.raises(TypeError):
        values.dumps({"at": datetime(2026, 1, 31)})  # noqa: DTZ001


@pytest.mark.parametrize("levels", [64, 200])
def test_shared_values_without_end_are_refused_by_the_name_of_their_field(levels: int) -> None:
    """A kilobyte of dicts stands for 2^64 values; deep ones are not converted at all."""
    shared: dict[str, Any] = {}
    for _ in range(levels):
        shared = {"a": shared, "b": shared}
    with pytest.raises(ValidationProblem, match=r"^/1/metadata: More than 1048576 values"):
        values.request_body([{"symbol": "BTC"}, {"symbol": "BTC", "metadata": shared}])


def test_what_is_shared_a_few_times_goes_out_each_time() -> None:
    tags = ["x"] * 5_000
    assert json.loads(values.request_body({"a": [tags] * 20, "b": iter([tags])})) == {
        "a": [tags] * 20,
        "b": [tags],
    }
