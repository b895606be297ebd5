"""Labels and metadata: what is kept, what is refused."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from alphapulse_api.schemas.fields import Labels, Metadata
from alphapulse_api.schemas.fields.objects import MAX_DEPTH
from tests.schemas.test_fields import refused, taken


def test_numbers_and_booleans_of_labels_become_their_text() -> None:
    given_ = {"n": 3, "f": 0.5, "d": Decimal("1E+2"), "b": True, "none": None}
    assert taken(Labels(), given_) == {"b": "true", "d": "100", "f": "0.5", "n": "3"}
    assert refused(Labels(), {"n": 10**300})
    assert refused(Labels(), {"n": 10**5000})


@pytest.mark.parametrize("kind", ["objects", "lists"])
def test_metadata_is_not_deeper_than_answers_can_be(kind: str) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH - 1):
        value = {"a": value} if kind == "objects" else [value]
    assert taken(Metadata(), {"a": value}) == {"a": value}
    with pytest.raises(ValidationError, match="at most 200 levels"):
        Metadata().deserialize({"a": [value]})
    assert taken(Metadata(), {"a": [{}] * MAX_DEPTH}) == {"a": [{}] * MAX_DEPTH}


def test_labels_are_up_to_16_string_pairs_in_one_order() -> None:
    assert list(taken(Labels(), {"b": "2", "a": ""}).items()) == [("a", ""), ("b", "2")]
    assert len(taken(Labels(), {str(n): "x" for n in range(16)})) == 16
    for value in (
        {str(n): "x" for n in range(17)},
        {"a": []},
        {"": "x"},
        {"a": "\x00"},
        {"a": "x" * 257},
        [],
        "a:b",
    ):
        assert refused(Labels(), value)


@given(
    st.dictionaries(
        st.text('aé\N{ROCKET}\n"\\', max_size=3),
        st.none() | st.booleans() | st.integers(-(10**80), 10**80) | st.lists(st.text("ab\\")),
        max_size=4,
    )
)
def test_metadata_are_kept_as_they_are(value: dict[str, Any]) -> None:
    assert taken(Metadata(), value) == value


def test_metadata_keep_every_digit_of_an_integer_and_no_more_of_a_fraction() -> None:
    wei = 123456789012345678901234567890
    given_ = {"wei": wei, "deep": [{"id": -(2**64)}], "longest": 10**4300 - 1, "host": Decimal(wei)}
    assert taken(Metadata(), given_) == {**given_, "host": wei}
    kept = taken(Metadata(), {"x": -0.0, "y": Decimal("-0.0"), "z": Decimal("1e22")})
    assert repr(kept) == "{'x': 0.0, 'y': 0.0, 'z': 1e+22}"
    for number in (10**4300, -(10**4300), Decimal("1e400"), Decimal("-1e999999")):
        with pytest.raises(ValidationError, match=r"digits|too large"):
            taken(Metadata(), {"a": [number]})


def test_metadata_are_json() -> None:
    assert taken(Metadata(), {"x": math.nan, "y": Decimal("0.5"), "z": (1, 2)}) == {
        "x": None,
        "y": 0.5,
        "z": [1, 2],
    }
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    for value in ({"a": object()}, {"a": nested}, {"a": "x" * 65_537}, {"a": "\x00"}, [], "{}"):
        assert refused(Metadata(), value)
