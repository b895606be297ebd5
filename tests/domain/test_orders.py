"""The life of an order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.orders import FINAL, STATUSES, Disagreement, advanced, completed

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)


def order(**fields: Any) -> dict[str, Any]:
    base = {"id": "o1", "symbol": "AAPL", "side": "buy", "quantity": Decimal(10)}
    return {**base, "price": Decimal(100), **fields}


LEFT_OUT = dict.fromkeys(
    ("fee", "fee_currency", "agent_id", "strategy", "corrects", "decision_id", "decided_price",
     "order_id", "client_order_id")
)  # fmt: skip


def stored(**fields: Any) -> dict[str, Any]:
    return {**LEFT_OUT, "price": None, **completed(order(**fields), AT)[0]}


def after(there: dict[str, Any], *history: dict[str, Any], **fields: Any) -> dict[str, Any] | None:
    return advanced(there, *completed(order(**fields), LATER), history)


def test_what_is_left_out_of_a_new_trade_is_completed() -> None:
    trade, server_set = completed(order(), AT)
    assert trade["status"] == "filled"
    assert trade["filled_quantity"] == 10
    assert trade["value"] == 1000
    assert trade["executed_at"] == AT
    assert server_set == {
        "status", "order_type", "fees", "metadata", "executed_at", "filled_quantity", "value",
    }  # fmt: skip


def test_an_order_without_a_price_has_no_value() -> None:
    trade, _ = completed(order(status="pending", price=None), AT)
    assert trade["value"] is None
    assert trade["filled_quantity"] == 0


def test_an_order_lives_through_all_of_its_states() -> None:
    there = stored(status="pending", price=None)
    there = after(there, status="open", price=None, order_id="v-1") or {}
    assert (there["status"], there["order_id"], there["executed_at"]) == ("open", "v-1", AT)
    there = after(there, status="partially_filled", filled_quantity=Decimal(4)) or {}
    assert (there["filled_quantity"], there["value"], there["executed_at"]) == (4, 400, LATER)
    part = {"filled_quantity": Decimal(7), "price": Decimal("100.5")}
    there = after(there, status="partially_filled", **part) or {}
    assert (there["filled_quantity"], there["value"]) == (7, Decimal("703.5"))
    there = after(there, status="filled", price=Decimal("100.6"), fee=Decimal(1)) or {}
    assert (there["filled_quantity"], there["value"], there["fee"]) == (10, 1006, 1)


def test_a_cancelled_order_keeps_what_was_filled() -> None:
    there = stored(status="partially_filled", filled_quantity=Decimal(4))
    there = after(there, status="cancelled", price=None) or {}
    assert (there["filled_quantity"], there["price"], there["value"]) == (4, 100, 400)
    assert there["executed_at"] == AT


@given(st.sampled_from(STATUSES), st.sampled_from(STATUSES))
def test_no_state_goes_back_and_a_final_one_stays(first: str, second: str) -> None:
    there = stored(status=first)
    order_of = {status: min(number, 3) for number, status in enumerate(STATUSES)}
    if first == second:
        assert after(there, status=second) is None
    elif first not in FINAL and order_of[second] > order_of[first]:
        assert (after(there, status=second) or {})["status"] == second
    else:
        with pytest.raises(Disagreement) as refused:
            after(there, status=second)
        assert refused.value.field == "status"
        assert first in refused.value.reason


def test_a_repeat_of_an_earlier_state_changes_nothing() -> None:
    """An engine that sends each state at least once may send an old one late."""
    opened = {"status": "open", "filled_quantity": Decimal(0), "price": Decimal(100)}
    there = stored(status="filled")
    assert after(there, opened, status="open") is None
    with pytest.raises(Disagreement):
        after(there, opened, status="open", price=Decimal(99))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", "MSFT"), ("side", "sell"), ("quantity", Decimal(11)), ("order_type", "limit"),
        ("agent_id", "a"), ("strategy", "s"), ("corrects", "o0"),
    ],
)  # fmt: skip
def test_the_order_itself_never_changes(field: str, value: Any) -> None:
    there = stored(status="open")
    with pytest.raises(Disagreement, match=f"another {field}"):
        after(there, status="filled", **{field: value})


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("fee", Decimal("0.5"), Decimal("0.6")),
        ("fee", Decimal(0), Decimal("0.6")),
        ("fees", [{"currency": "BNB", "amount": "1"}], [{"currency": "BNB", "amount": "2"}]),
        ("metadata", {"a": 1}, {"a": 2}),
        ("decision_id", "d1", "d2"),
        ("decided_price", Decimal(99), Decimal(98)),
        ("decided_price", Decimal(0), Decimal(98)),
    ],
)
def test_a_late_fact_is_added_once_in_any_state(
    status: str, field: str, value: Any, other: Any
) -> None:
    there = after(stored(status=status), status=status, **{field: value})
    assert there is not None
    assert there[field] == value
    assert there["status"] == status
    assert after(there, status=status, **{field: value}) is None
    assert after(there, status=status) is None
    assert after(there) is None or status not in FINAL  # the state may be left out, too
    with pytest.raises(Disagreement, match=f"another {field}"):
        after(there, status=status, **{field: other})


def test_a_late_fact_needs_no_state() -> None:
    there = after(stored(status="cancelled"), fee=Decimal(1))
    assert there is not None
    assert (there["status"], there["fee"]) == ("cancelled", 1)


def test_a_fill_without_a_state_fills_an_order() -> None:
    """An engine may report its fills alone: a trade is filled if nothing else is said."""
    there = after(stored(status="open"), price=Decimal(101))
    assert there is not None
    assert (there["status"], there["filled_quantity"], there["price"]) == ("filled", 10, 101)


def test_a_late_repeat_of_an_earlier_state_still_says_why() -> None:
    opened = {"status": "open", "filled_quantity": Decimal(0), "price": Decimal(100)}
    facts = {"decision_id": "d1", "metadata": {"a": 1}, "fee": Decimal(9)}
    there = after(stored(status="filled"), opened, status="open", **facts)
    assert there is not None
    assert (there["status"], there["decision_id"], there["metadata"]) == ("filled", "d1", {"a": 1})
    assert there.get("fee") is None
    assert after(there, opened, status="open", decision_id="d2") is None


def test_less_filled_than_before_is_refused() -> None:
    there = stored(status="partially_filled", filled_quantity=Decimal(4))
    for status in ("partially_filled", "cancelled"):
        with pytest.raises(Disagreement) as refused:
            after(there, status=status, filled_quantity=Decimal(3))
        assert refused.value.field == "filled_quantity"


def test_how_much_was_filled_becomes_known_where_nobody_knew() -> None:
    there = stored(status="cancelled") | {"filled_quantity": None}
    assert after(there, status="cancelled") is None
    known = after(there, status="cancelled", filled_quantity=Decimal(4))
    assert known is not None
    assert known["filled_quantity"] == 4
    with pytest.raises(Disagreement, match="another filled_quantity"):
        after(known, status="cancelled", filled_quantity=Decimal(5))


def test_another_price_in_the_same_state_is_refused() -> None:
    with pytest.raises(Disagreement, match="another price"):
        after(stored(), price=Decimal(101))
