"""The quick check of trades beside the schema: the same results, the same errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from alphapulse_api.domain.plain import plain
from alphapulse_api.schemas.fast_trades import usual_trade
from alphapulse_api.schemas.fields import set_clock
from alphapulse_api.schemas.imports import ImportedTrade
from alphapulse_api.schemas.quick import usual
from alphapulse_api.schemas.trades import TradeRequest

EASTERN = timezone(timedelta(hours=-5))
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
USUAL: dict[str, Any] = {
    "id": "t1", "order_id": "o1", "symbol": "BTC/USD", "side": "buy", "quantity": "2",
    "filled_quantity": 1, "price": Decimal("1.50"), "value": 1.5, "fee": "-0.1",
    "fee_currency": "USD", "order_type": "stop_limit", "status": "partially_filled",
    "agent_id": "a", "strategy": "mean reversion", "executed_at": AT, "corrects": "t0",
    "decision_id": "d", "decided_price": "-3", "metadata": {"venue": "x", "n": 1, "nan": 0.5},
}  # fmt: skip
AMOUNTS = st.one_of(
    st.integers(-(10**40), 10**40), st.floats(), st.decimals(),
    st.from_regex(r"[+-]?[0-9]{0,22}\.?[0-9]{0,22}(e[+-]?[0-9]{1,2})?", fullmatch=True),
    st.just("-0.00"), st.just("0"), st.just(Decimal("1E+2")), st.just(np.float64(1.5)),
    st.just(" 1"), st.just("١"), st.booleans(),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=4), st.sampled_from(["latest", "..", "a b", "BUY", "canceled", "stop-limit"]),
    st.just("x" * 129), st.just("x" * 65), st.just("\ud800"), st.just("é\x00"), st.integers(),
    st.just(np.str_("buy")),
)  # fmt: skip
TIMES = st.one_of(
    st.datetimes(timezones=st.sampled_from([UTC, EASTERN])), st.datetimes(),
    st.integers(-(10**20), 10**20), st.just("2026-03-01T12:00:00.1234567Z"),
    st.just("2026-06-30T23:59:60Z"), st.just("2026-03-01 12:00"), st.just(AT.replace(fold=1)),
    st.just(AT.replace(year=9000)), st.just(AT.date()), st.just(1.5e9),
)  # fmt: skip
OTHERS = st.one_of(
    st.none(), st.lists(st.integers(), max_size=1), st.just(b"bytes"),
    st.just([{"currency": "USD", "amount": "1"}]),
    st.dictionaries(
        st.text(max_size=2),
        st.none() | st.booleans() | st.floats() | st.integers() | st.text() | TIMES,
        max_size=3,
    ),
)  # fmt: skip
VALUES = AMOUNTS | TEXTS | TIMES | OTHERS
NAMES = st.sampled_from([*TradeRequest().fields, "unknown"])


def by_schema(schema: Any, record: Any) -> Any:
    try:
        return schema.load(plain(record))
    except ValidationError:
        return None


@pytest.mark.parametrize("kind", [TradeRequest, ImportedTrade])
@given(changes=st.dictionaries(NAMES, VALUES, max_size=3), removed=st.sets(NAMES, max_size=2))
def test_what_is_usual_is_loaded_as_by_the_schema(
    kind: type[TradeRequest], changes: dict[str, Any], removed: set[str]
) -> None:
    schema = kind()
    record = {n: v for n, v in {**USUAL, **changes}.items() if n not in removed}
    loaded = usual(schema, record)
    if loaded is not None:
        expected = by_schema(schema, record)
        assert loaded == expected
        assert {n: str(v) for n, v in loaded.items()} == {n: str(v) for n, v in expected.items()}


@pytest.mark.parametrize("kind", [TradeRequest, ImportedTrade])
def test_a_usual_trade_needs_no_schema(kind: type[TradeRequest]) -> None:
    assert by_schema(kind(), USUAL) is not None, "the example must be valid"
    assert usual(kind(), USUAL) is not None


@pytest.mark.parametrize("time", ["2026-03-01T12:00:00Z", 1_772_366_400_000_000, AT])
def test_a_time_is_read_as_it_is_usually_written(time: Any) -> None:
    loaded = usual_trade(TradeRequest(), {**USUAL, "executed_at": time})
    assert loaded is not None
    assert loaded["executed_at"] == AT


def test_a_time_ahead_of_the_clock_is_left_to_the_schema() -> None:
    schema = TradeRequest()
    ahead = {**USUAL, "executed_at": datetime.now(UTC) + timedelta(hours=1)}
    assert usual(schema, ahead) is None
    set_clock(schema, 7200)
    assert usual(schema, ahead) is not None


@pytest.mark.parametrize("missing", ["symbol", "side", "quantity", "executed_at", "price"])
def test_a_trade_without_what_it_must_have_is_left_to_the_schema(missing: str) -> None:
    record = {n: v for n, v in USUAL.items() if n != missing}
    assert usual(ImportedTrade(), {**record, "status": "filled"}) is None
