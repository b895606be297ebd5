"""Amounts and figures: exact decimals, doubles, and what is neither."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.encoding import dumps, loads
from alphapulse_api.schemas.fields import (
    Figure,
    Figures,
    Money,
)
from tests.schemas.test_fields import refused, taken

amounts = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**38) + 1, max_value=10**38 - 1, places=38
)


@given(amounts)
def test_money_keeps_every_digit_of_a_string_and_of_a_json_number(amount: Decimal) -> None:
    text = format(amount, "f")
    for given_ in (text, amount, loads(text.encode())):
        kept = taken(Money(signed=True), given_)
        assert kept == amount
    assert dumps(taken(Money(signed=True), text)) == f'"{text}"'.encode()


@given(st.floats(allow_nan=False, min_value=1e-20, max_value=1e30))
def test_money_takes_a_float_as_its_author_wrote_it(number: float) -> None:
    kept = taken(Money(), number)
    assert kept == Decimal(repr(number))
    assert float(kept) == number


def test_money_keeps_trailing_zeros_and_writes_exponents_out() -> None:
    assert str(taken(Money(), "67123.50")) == "67123.50"
    assert str(taken(Money(), "1e3")) == "1000"
    assert str(taken(Money(), Decimal("2.50E+2"))) == "250"
    assert str(taken(Money(), ".5")) == "0.5"


def test_money_does_not_depend_on_the_hosts_decimal_context() -> None:
    with localcontext() as context:
        context.prec = 3
        assert str(taken(Money(), "67123.123456789")) == "67123.123456789"


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "abc", "1,5", "0x10", "1_000", "NaN", "inf", "-", ".", "１２", "1e9999",
     "1e38", "1e-39", "9" * 39, True, None, [], math.nan, math.inf, Decimal("NaN"), Decimal("sNaN"),
     Decimal("1e999999"), Fraction(1, 3)],
    ids=repr,
)  # fmt: skip
def test_money_refuses_what_is_no_finite_decimal_of_38_digits(value: Any) -> None:
    assert refused(Money(signed=True, required=True), value)


def test_money_knows_its_sign() -> None:
    assert taken(Money(), 0) == 0
    assert refused(Money(), "-0.01")
    assert refused(Money(positive=True), 0)
    assert taken(Money(signed=True), "-0.01") == Decimal("-0.01")


@given(st.floats() | st.integers(-(2**60), 2**60) | st.decimals(allow_nan=False))
def test_a_figure_is_a_double_or_null(number: float | int | Decimal) -> None:
    double = float(number)
    if math.isinf(double) and not isinstance(number, float):
        assert number.is_infinite() or refused(Figure(), number)
        return
    kept = taken(Figure(), number)
    assert kept == double if math.isfinite(double) else kept is None


@pytest.mark.parametrize(
    "value", ["1.5", True, [], 10**400, -(10**400), Decimal("1e400"), Decimal("-1e999999")]
)
def test_a_figure_is_a_number_that_a_double_holds(value: Any) -> None:
    assert refused(Figure(), value)


def test_a_figure_has_bounds_and_nan_is_null_within_them() -> None:
    confidence = Figure(low=0, high=1)
    assert taken(confidence, 1) == 1.0
    assert taken(confidence, math.nan) is None
    assert taken(confidence, None) is None
    assert refused(confidence, 1.01)
    assert refused(confidence, -0.01)


def test_figures_are_named_numbers() -> None:
    assert taken(Figures(), {"sharpe": 1, "beta": math.nan, "alpha": None}) == {
        "sharpe": 1.0,
        "beta": None,
        "alpha": None,
    }
    for value in ([], {"a": "1"}, {"": 1}, {"a" * 129: 1}, {1: 1}, {"a": True}):
        assert refused(Figures(), value)
    assert refused(Figures(), {str(n): n for n in range(257)})
