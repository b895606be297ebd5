"""What is loaded without marshmallow's bookkeeping is what its schemas load."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from alphapulse_api.domain.plain import plain
from alphapulse_api.schemas.agents import AgentRequest
from alphapulse_api.schemas.alerts import AlertRequest
from alphapulse_api.schemas.metrics import MetricPointRequest
from alphapulse_api.schemas.portfolio import PortfolioRequest, PositionRequest
from alphapulse_api.schemas.quick import quick
from alphapulse_api.schemas.signals import SignalRequest
from alphapulse_api.schemas.system import SystemSampleRequest
from alphapulse_api.schemas.trades import TradeRequest

VALID: dict[type[Schema], dict[str, Any]] = {
    TradeRequest: {
        "id": "t1", "symbol": "BTC/USD", "side": "BUY", "quantity": "2", "price": 1.5,
        "filled_quantity": "1", "status": "partially_filled", "fee": "-0.1", "corrects": "t0",
        "fees": [{"currency": "USD", "amount": "1"}], "executed_at": "2026-03-01T12:00:00Z",
        "order_type": "stop-limit", "metadata": {"venue": "x", "n": [1, 2.5]},
    },
    AlertRequest: {
        "id": "a1", "severity": "critical", "title": "t", "message": "m", "source": "risk",
        "created_at": 1_700_000_000, "metadata": {}, "tags": ["a"],
    },
    MetricPointRequest: {
        "metric_type": "risk", "name": "var", "value": 1, "labels": {"b": 1, "a": "x"},
        "timestamp": "2026-03-01T12:00:00Z",
    },
    PortfolioRequest: {
        "total_value": "10", "cash": 5, "currency": "EUR", "performance": {"sharpe": 1.5},
        "positions": [{"symbol": "A", "quantity": 1}], "as_of": "2026-03-01T12:00:00Z",
    },
    PositionRequest: {
        "symbol": "A", "quantity": "1", "side": "short", "weight": 0.5, "entry_price": 3,
    },
    SignalRequest: {
        "id": "s1", "symbol": "A", "direction": "buy", "timestamp": "2026-03-01T12:00:00Z",
        "metadata": {"a": 1},
    },
    AgentRequest: {"state": "active", "agent_type": "momentum", "metrics": {"pnl": 1}},
    SystemSampleRequest: {
        "component": "api", "status": "healthy", "metrics": {"cpu": 1.5},
        "timestamp": 1_700_000_000,
    },
}  # fmt: skip
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**40), 10**40), st.floats(), st.just(Decimal("0.10")),
    st.text(max_size=5), st.just("x" * 5000), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2), st.just("filled"),
    st.just(b"bytes"), st.just("2026-03-01T12:00:00Z"), st.just("0"),
)  # fmt: skip


def by_schema(schema: Schema, record: dict[str, Any]) -> Any:
    try:
        return schema.load(record)
    except ValidationError:
        return None


@pytest.mark.parametrize("kind", VALID, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_record_is_loaded_as_by_its_schema(kind: type[Schema], data: st.DataObject) -> None:
    schema = kind()
    names = st.sampled_from([*schema.fields, "unknown"])
    changes = data.draw(st.dictionaries(names, ODD, max_size=2))
    removed = data.draw(st.sets(st.sampled_from(list(VALID[kind])), max_size=2))
    record = {n: v for n, v in {**VALID[kind], **changes}.items() if n not in removed}
    record = plain(record)
    expected = by_schema(schema, record)
    loaded = quick(schema, record)
    assert loaded == expected
    # The order of positions' fields is what is stored.
    assert loaded is None or list(loaded) == list(expected)


@pytest.mark.parametrize("kind", VALID, ids=lambda kind: kind.__name__)
def test_a_valid_record_needs_no_schema(kind: type[Schema]) -> None:
    record = plain(VALID[kind])
    assert by_schema(kind(), record) is not None, "the example must be valid"
    assert quick(kind(), record) is not None
