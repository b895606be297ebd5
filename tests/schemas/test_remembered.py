"""Items that were sent before are not checked again, and mean what they meant."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.holdings import holding
from alphapulse_api.domain.write_back import WriteBacks
from alphapulse_api.record.completion import valuing
from alphapulse_api.runtime.slices import finish
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.portfolio import PortfolioRequest, remember_positions

FIELDS = ("quantity", "entry_price", "current_price", "value", "weight", "realized_pnl")
SPELLINGS: tuple[Any, ...] = (
    "1", "1.0", "1.00", 1, 1.0, True, Decimal("1"), Decimal("1.0"), Decimal("1.00"), "-1", None,
    math.nan, math.inf, Decimal("NaN"), 0.0, -0.0, "x", [1], 10**40,
)  # fmt: skip


@pytest.fixture
def schemas() -> tuple[PortfolioRequest, PortfolioRequest]:
    """One that remembers positions, and one that does not."""
    remembering = PortfolioRequest()
    remember_positions(remembering)
    return remembering, PortfolioRequest()


def sent(total: Any, *positions: dict[str, Any]) -> dict[str, Any]:
    """A portfolio with so many positions that they are loaded one by one."""
    others = [{"symbol": f"S{n}", "quantity": "1", "current_price": n} for n in range(25)]
    return {"total_value": total, "cash": 0, "positions": [*positions, *others]}


def result(schema: PortfolioRequest, data: dict[str, Any]) -> Any:
    """What is made of a portfolio: with every digit, or the errors."""
    try:
        portfolio = load(schema, data)
    except ValidationProblem as problem:
        return problem.errors
    holdings = finish(valuing(portfolio, WriteBacks(), None))
    return repr(list(holdings)), holdings.json, list(holdings.stored.items())


@pytest.mark.parametrize("field", FIELDS)
def test_no_spelling_is_taken_for_another(
    schemas: tuple[PortfolioRequest, PortfolioRequest], field: str
) -> None:
    remembering, other = schemas
    for spelling in (*SPELLINGS, *reversed(SPELLINGS)):
        position = {"symbol": "A", "side": "long", "quantity": "2", "current_price": "3"}
        data = sent("100", {**position, field: spelling})
        assert result(remembering, data) == result(other, data), spelling


def test_a_weight_follows_the_total_where_nothing_else_changed(
    schemas: tuple[PortfolioRequest, PortfolioRequest],
) -> None:
    remembering, other = schemas
    for total in ("100", "200", "0", "-50"):
        data = sent(total, {"symbol": "A", "quantity": "2", "current_price": "3"})
        made = result(remembering, data)
        assert made == result(other, data)
        whole = finish(valuing(load(other, data), WriteBacks(), None))
        again = finish(holding(whole, Decimal(total)))
        assert (again.json, again.stored) == (whole.json, whole.stored)


def test_a_record_that_its_host_changes_and_sends_again_is_another(
    schemas: tuple[PortfolioRequest, PortfolioRequest],
) -> None:
    remembering, other = schemas
    position: dict[str, Any] = {"symbol": "A", "quantity": "1", "current_price": "3"}
    for quantity in ("2", "2.0", None, "3"):
        position["quantity"] = quantity
        assert result(remembering, sent("9", position)) == result(other, sent("9", position))


def test_what_was_refused_is_refused_again(
    schemas: tuple[PortfolioRequest, PortfolioRequest],
) -> None:
    remembering, other = schemas
    for _ in range(2):
        data = sent("1", {"symbol": "A", "quantity": "-1"}, {"symbol": "B"})
        assert result(remembering, data) == result(other, data)
        assert result(remembering, sent("1")) == result(other, sent("1"))
