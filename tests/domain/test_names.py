"""Which user names and passwords are the same (RFC 8265)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.names import name_key, new_name, same_password


@pytest.mark.parametrize(
    "spellings",
    [
        ("Jörg", "Jo\u0308rg", "jörg", "JÖRG", "JO\u0308RG", "\uff2aörg"),  # a fullwidth J
        ("ann", "Ann", "ANN", "\uff41\uff4e\uff4e"),
        ("\u212bsa", "Åsa", "åsa", "A\u030asa"),  # the Angstrom sign
        ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
        ("\uff76", "\u30ab"),  # katakana, halfwidth
    ],
)
def test_these_are_one_user(spellings: tuple[str, ...]) -> None:
    assert len({name_key(name) for name in spellings}) == 1
    for name in spellings:
        assert unicodedata.is_normalized("NFC", new_name(name))
        assert name_key(new_name(name)) == name_key(name)


def test_these_are_not() -> None:
    names = ["Jörg", "Jorg", "Joerg", "strasse", "straße", "ann", "ann1", "ann.", "аnn"]
    assert len({name_key(name) for name in names}) == len(names)


def test_a_name_keeps_its_case_and_is_composed() -> None:
    assert new_name("Jo\u0308rg") == "Jörg"
    assert new_name("Ann") == "Ann"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a b", "a:b", "a/b", "a\tb", "a\u00a0b", "a\x00", "a\x7f", "\ud800", "x" * 65,
        "x" * 10_000, "ann🙂", "a→b", "ﬁ", "a\u200bb", "a\u200eb", "a\u202eb", "1א", "\uff0f",
        "\uff1a",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="a user name has 1 to 64 characters"):
        new_name(text)


@given(st.text(max_size=120))
def test_any_text_has_a_key_that_can_be_stored(text: str) -> None:
    key = name_key(text)
    assert "\x00" not in key
    key.encode()
    assert name_key(key) == key
    assert name_key(unicodedata.normalize("NFD", text)) == name_key(text)


def test_text_that_is_too_long_for_a_name_is_not_normalized() -> None:
    text = "A" + "\u0327\u0301" * 200  # that order is not normal
    assert name_key(text) == text.lower()
    assert name_key(text + "\x00") == text.lower() + "\ufffd"


@given(st.text())
def test_a_new_name_is_found_by_all_of_its_spellings(text: str) -> None:
    try:
        name = new_name(text)
    except ValueError:
        return
    spellings = (text, name, unicodedata.normalize("NFD", name), name.lower())
    assert {name_key(spelling) for spelling in spellings} == {name_key(name)}


def test_a_password_is_the_same_on_every_keyboard() -> None:
    assert same_password("Pa\u0308sse\u00a0partout") == "Pässe partout"
    assert same_password("ＡＢＣ") == "ＡＢＣ"  # no other mapping: it is opaque
    assert same_password("Case ſtays 🙂") == "Case ſtays 🙂"
