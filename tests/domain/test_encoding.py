"""JSON out and in: exact decimals, no NaN, whole digits, clean text."""

from __future__ import annotations

import json
import math
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.encoding import canonical, dumps, loads, loads_floats, loads_stored
from alphapulse_api.domain.times import rfc3339

decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**37), max_value=10**37)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_decimals_are_plain_strings_out() -> None:
    assert dumps([Decimal("67123.50"), Decimal("1E+3"), Decimal("1E-9")]) == (
        b'["67123.50","1000","0.000000001"]'
    )


@given(decimals)
def test_a_decimal_out_is_the_same_number_in(number: Decimal) -> None:
    assert Decimal(json.loads(dumps(number))) == number


def test_nan_and_infinities_are_null_out() -> None:
    assert dumps([math.nan, math.inf, -math.inf, {"x": math.nan}]) == b'[null,null,null,{"x":null}]'


def test_instants_are_rfc_3339_with_z_and_six_digits() -> None:
    whole = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert dumps([whole, whole.replace(microsecond=5)]) == (
        b'["2026-01-31T12:00:00.000000Z","2026-01-31T12:00:00.000005Z"]'
    )


@given(instant=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))])))
def test_an_instant_is_the_same_text_in_json_and_alone(instant: datetime) -> None:
    try:
        text = rfc3339(instant)
    except OverflowError:
        return
    assert dumps({"at": instant}) == f'{{"at":"{text}"}}'.encode()


def test_what_has_no_json_form_is_refused() -> None:
    for value in (object(), {1, 2}, b"bytes", [2**64, object()]):
        with pytest.raises(TypeError):
            dumps(value)


@given(jsons)
def test_what_goes_out_comes_in(value: object) -> None:
    assert loads(dumps(value)) == value
    assert loads_stored(dumps(value).decode()) == value


@given(st.dictionaries(st.text(), st.integers(0, 9)))
def test_equal_values_have_one_canonical_text(value: dict[str, int]) -> None:
    assert canonical(value) == canonical(dict(reversed(value.items())))


def test_numbers_keep_their_digits_in() -> None:
    assert loads(b"0.1000000000000000000000000001") == Decimal("0.1000000000000000000000000001")
    assert str(loads(b"1.50")) == "1.50"
    assert loads(b"123456789012345678901234567890") == 123456789012345678901234567890


@given(st.recursive(
    st.integers(-(10**80), 10**80) | st.sampled_from(
        [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**4299, -(10**4299)]
    ) | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_integers_of_any_size_keep_their_digits_both_ways(value: Any) -> None:
    raw = dumps(value)
    assert json.loads(raw) == value
    assert repr(loads_stored(raw)) == repr(json.loads(raw))
    assert repr(loads_stored(raw.decode())) == repr(loads_stored(raw))
    assert json.loads(canonical(value)) == value


def test_an_integer_in_a_tuple_or_beside_a_time_keeps_its_digits() -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert dumps(({"id": 2**70, "at": at, "price": Decimal("1.50"), "big": False},)) == (
        b'[{"id":1180591620717411303424,"at":"2026-01-31T12:00:00.000000Z","price":"1.50","big":false}]'
    )


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("1" * 5000, (10**400, math.inf)),
        ("-" + "1" * 5000, (-math.inf, -(10**400))),
        ("1e99999999999999999999999", (10**400, math.inf)),
        ("-1.5E99999999999999999999999", (-math.inf, -(10**400))),
        ("1e-99999999999999999999999", (0, Decimal("1e-400"))),
        ("-1e-99999999999999999999999", (Decimal("-1e-400"), 0)),
        ("0e99999999999999999999999", (0, 0)),
    ],
)
def test_a_number_beyond_python_is_for_its_field_to_refuse(text: str, bounds: Any) -> None:
    (number,) = loads(f"[{text}]".encode())
    assert bounds[0] <= number <= bounds[1]


def test_the_nan_that_python_writes_is_read() -> None:
    assert math.isnan(loads(b"NaN"))
    assert loads(b"[Infinity, -Infinity]") == [math.inf, -math.inf]


def test_text_beyond_the_basic_plane_is_read_in_either_spelling() -> None:
    assert loads(b'"\\ud83d\\ude80"') == loads('"\N{ROCKET}"'.encode()) == "\N{ROCKET}"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} x',
        b'"\xff"',
        b'"\\ud83d"',
        b'{"\\ude80": 1}',
        b"[" * 100_000,
    ],
    ids=range(8),
)
def test_what_is_not_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        loads(raw)
    assert not isinstance(refused.value, UnicodeError)


@pytest.mark.parametrize(
    "text",
    [
        "0.1", "-0.0", "1e-400", "5e-324", "1e400", "-1e400", "NaN", "Infinity", "1" * 30,
        "1" * 400, '{"a": 1, "a": 2.5}', '["\\u00e9", null, true]', "[1.0000000000000000000001]",
    ],
)  # fmt: skip
def test_reading_doubles_is_reading_digits_and_rounding_once(text: str) -> None:
    def rounded(value: Any) -> Any:
        match value:
            case Decimal() | int() if not isinstance(value, bool):
                return _as_double(value)
            case dict():
                return {key: rounded(part) for key, part in value.items()}
            case list():
                return [rounded(part) for part in value]
        return value

    exact, doubles = loads(text.encode()), loads_floats(text.encode())
    assert repr(rounded(doubles)) == repr(rounded(exact))


@pytest.mark.parametrize("text", ["", "[1,]", "1 2", '"\\ud800"', '"\x01"', "\ufeff1", "[" * 9999])
def test_what_is_no_json_is_none_to_doubles_either(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as exact:
        loads(text.encode())
    with pytest.raises(ValueError, match=r".") as doubles:
        loads_floats(text.encode())
    assert str(doubles.value) == str(exact.value)


def _as_double(number: Decimal | int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def test_json_that_is_kept_takes_no_more_than_it_says() -> None:
    """orjson's own bytes keep the buffer that they were written in."""
    tracemalloc.start()
    try:
        kept = [dumps({"a": "x" * 200}) for _ in range(1000)]
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < 2 * sum(map(len, kept))
