"""Answers stay short, and foreign text stays data."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.times import now
from alphapulse_api.mcp.answers import MAX_CHARACTERS, MAX_TEXT, answer, marked


@pytest.mark.parametrize("word", ["AAPL", "BTC/USD", "momentum-1", "2026-01-02T03:04:05Z", "0.50"])
def test_plain_words_are_not_marked(word: str) -> None:
    assert marked(word) == word


@given(st.text(max_size=400))
def test_a_text_cannot_end_its_own_mark(text: str) -> None:
    shown = marked(text)
    if shown == text:
        assert text.isascii()
        assert " " not in text
        return
    assert shown[0] == "«"
    assert shown.count("«") == shown.count("»") == 1
    assert shown.endswith("»") or shown.endswith(" more characters)")


def test_characters_that_hide_or_turn_text_are_shown() -> None:
    assert marked("pay\u202eecno\u200b\x1b[2J") == "«pay<U+202E>ecno<U+200B><U+001B>[2J»"


def test_long_texts_are_cut_and_say_so() -> None:
    assert marked("x y" * MAX_TEXT).endswith(f"…» ({2 * MAX_TEXT} more characters)")


def test_values_are_exact_and_empty_ones_left_out() -> None:
    shown = json.loads(answer({"a": Decimal("1.50"), "b": None, "c": [], "at": now(), "f": 1 / 3}))
    assert shown["a"] == "1.50"
    assert json.loads(answer({"i": 10**40})) == {"i": 10**40}
    assert shown["f"] == 0.333333
    assert "b" not in shown
    assert "c" not in shown


def test_long_lists_lose_their_last_rows_and_say_how_many() -> None:
    rows = [{"number": number, "text": "some text"} for number in range(1000)]
    text = answer({"rows": rows, "total": 1000})
    shown = json.loads(text)
    assert len(text) <= MAX_CHARACTERS
    assert [row["number"] for row in shown["rows"]] == list(range(len(shown["rows"])))
    assert len(shown["rows"]) + shown["left_out"]["rows"] == 1000
    assert shown["total"] == 1000


def test_one_record_that_is_too_long_is_refused() -> None:
    metadata = {f"key {number}": "x" * 300 for number in range(100)}
    assert json.loads(answer({"metadata": metadata})) == {
        "too_long": "Ask for less: a shorter range, or one record."
    }
