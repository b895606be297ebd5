"""What is loaded without marshmallow's bookkeeping is what its schemas load."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError
from marshmallow.fields import Field
from marshmallow.validate import Length

from alphapulse_api.domain.plain import plain
from alphapulse_api.schemas.agents import AgentRequest
from alphapulse_api.schemas.alerts import AlertRequest
from alphapulse_api.schemas.decisions import DecisionRequest
from alphapulse_api.schemas.fields import BookId, Choice, Figure, Identifier, Items, Money, Text
from alphapulse_api.schemas.metrics import MetricPointRequest
from alphapulse_api.schemas.portfolio import PortfolioRequest, PositionRequest
from alphapulse_api.schemas.quick import UNUSUAL, quick, usual_check
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
    DecisionRequest: {
        "id": "d1", "agent_id": "manager", "made_at": "2026-03-01T12:00:00Z", "reasoning": "r",
        "signal_ids": ["s1", 2], "votes": [{"agent_id": "a", "weight": 0.5, "conviction": -1.0}],
        "targets": [{"symbol": "A", "weight_target": 0.1, "quantity": "-10.50"}],
        "constraints": [{"name": "cap", "before": "0.05", "after": "0.020"}], "metadata": {},
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
    st.just(b"bytes"), st.lists(st.text(max_size=3), max_size=3),
    st.just("2026-03-01T12:00:00Z"), st.just("0"),
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


CHECKED: list[Field[Any]] = [
    Text(5), Text(5, 2, number=True), Identifier(), Money(), Money(positive=True),
    Money(signed=True), Figure(), Figure(low=-1, high=1), Items(Identifier()),
    Items(Text(3), validate=Length(max=2)), Items(Money(signed=True)),
]  # fmt: skip
DIGITS = st.from_regex(r"[+-]?0{0,2}[0-9]{0,40}(\.[0-9]{0,40})?([eE]-?[0-9])?", fullmatch=True)
USUAL = st.one_of(
    st.text(st.sampled_from("a0.é\x00 /:-\n%"), max_size=7), DIGITS, st.floats(), st.integers(),
    st.sampled_from(["latest", "..", "a" * 129, -0.0, "-0", "0.0"]),
)  # fmt: skip


@pytest.mark.parametrize("field", CHECKED, ids=repr)
@given(value=st.one_of(USUAL, st.lists(USUAL, max_size=3), ODD))
def test_the_check_of_usual_values_converts_as_the_field_does(
    field: Field[Any], value: Any
) -> None:
    check = usual_check(field)
    assert check is not None
    try:
        checked = check(value)
    except ValidationError:
        checked = UNUSUAL
    if checked is not UNUSUAL:
        converted = field.deserialize(value)
        assert (repr(checked), type(checked)) == (repr(converted), type(converted))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Text(5), "abc"), (Identifier(), "t-1.a:B_2"), (Money(), "67123.50"), (Money(), "0.05"),
        (Money(signed=True), "-10"), (Figure(low=0, high=1), 0.5), (Items(Identifier()), ["a"]),
    ],
)  # fmt: skip
def test_usual_values_need_no_field(field: Field[Any], value: Any) -> None:
    check = usual_check(field)
    assert check is not None
    assert check(value) == value or check(value) == Decimal(value)


@pytest.mark.parametrize("field", [Choice("a"), BookId()], ids=repr)
def test_a_field_that_converts_otherwise_has_no_check_of_its_base(field: Field[Any]) -> None:
    assert usual_check(field) is None


@pytest.mark.parametrize("kind", VALID, ids=lambda kind: kind.__name__)
def test_a_valid_record_needs_no_schema(kind: type[Schema]) -> None:
    record = plain(VALID[kind])
    assert by_schema(kind(), record) is not None, "the example must be valid"
    assert quick(kind(), record) is not None
