"""What is said of values that are no list, or no object, where one is expected, or null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.schemas.decisions import DecisionRequest
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.trades import TradeRequest
from tests.asking import DECISION, TRADE

NULL = "Must not be null, and NaN and NA stand for null."


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"quantity": float("nan")}, "/quantity", NULL),
        ({"symbol": None}, "/symbol", NULL),
        ({"fees": 5}, "/fees", "Not a list but a number."),
        ({"fees": np.array(5)}, "/fees", "Not a list but a number."),
        ({"fees": {"amount": 1}}, "/fees", "Not a list but an object."),
        ({"fees": "1"}, "/fees", "Not a list but text."),
        ({"fees": [5]}, "/fees/0", "Not an object but a number."),
        ({"fees": [[1]]}, "/fees/0", "Not an object but a list."),
    ],
    ids=str,
)
def test_an_error_names_what_was_given(changes: dict[str, Any], pointer: str, detail: str) -> None:
    with pytest.raises(ValidationProblem) as caught:
        load(TradeRequest(), {**TRADE, **changes})
    assert caught.value.errors == [{"pointer": pointer, "detail": detail}]


def test_a_text_is_no_list_of_ids() -> None:
    with pytest.raises(ValidationProblem) as caught:
        load(DecisionRequest(), {**DECISION, "signal_ids": "s-1"})
    assert caught.value.errors == [{"pointer": "/signal_ids", "detail": "Not a list but text."}]


def test_an_array_without_a_dimension_that_holds_nan_is_null() -> None:
    null = load(TradeRequest(), {**TRADE, "fees": None})
    assert load(TradeRequest(), {**TRADE, "fees": np.array(np.nan)}) == null
