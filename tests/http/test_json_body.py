"""A body that is parsed while it arrives has the value that it has when parsed at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphapulse_api.domain.encoding import loads
from alphapulse_api.domain.errors import Problem
from alphapulse_api.http import json_body, json_scan
from alphapulse_api.http.json_body import JsonBody
from alphapulse_api.runtime.slices import finish

TEXTS = st.text(st.sampled_from('ab"\\{}[],:\u2028ü \n'), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXTS, inner, max_size=6),
    max_leaves=30,
)
BODIES = st.lists(VALUES, max_size=12) | st.dictionaries(TEXTS, VALUES, max_size=8)
LAYOUTS = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every body is cut, wherever it can be."""
    monkeypatch.setattr(json_body, "AT_ONCE_BYTES", 0)
    monkeypatch.setattr(json_scan, "GROUP_BYTES", 16)
    monkeypatch.setattr(json_scan, "GROUP_VALUES", 3)


def _parse(text: bytes, size: int, *, array: bool = True) -> Any:
    body = JsonBody(loads, array=array)
    for at in range(0, len(text), size):
        finish(body.feed(text[at : at + size]))
    return finish(body.end())


@given(BODIES, LAYOUTS, st.integers(1, 40))
def test_a_body_in_pieces_has_the_same_value(value: Any, layout: dict[str, Any], size: int) -> None:
    text = json.dumps(value, **layout).encode()
    whole = loads(text)
    assert repr(_parse(text, size)) == repr(whole)


@given(BODIES, LAYOUTS, st.integers(1, 40), st.data())
def test_a_damaged_body_is_refused_as_it_is_at_once(
    value: Any, layout: dict[str, Any], size: int, data: st.DataObject
) -> None:
    text = bytearray(json.dumps(value, **layout).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    damage = data.draw(
        st.sampled_from([b"", b"{", b"}", b"[", b"]", b",", b'"', b"\\", b" ", b"1"])
    )
    text[at : at + data.draw(st.integers(0, 1))] = damage
    try:
        whole = loads(bytes(text))
    except ValueError:
        with pytest.raises(Problem) as refused:
            _parse(bytes(text), size)
        assert refused.value.kind.status == 400
    else:
        assert repr(_parse(bytes(text), size)) == repr(whole)
