"""Lists of sections, and sections by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from alphapulse_api.config.masks import hide
from alphapulse_api.config.options import Section, option, walk
from alphapulse_api.config.reading import build_section
from alphapulse_api.domain.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Item(Section):
    path: ClassVar[str] = "outer.items[]"

    secrets: tuple[str, ...] = field(default=(), repr=False, metadata=option("Secrets.", mask=hide))
    goes_on: bool = field(default=False, metadata=option("Whether.", word="continue"))


@dataclass(frozen=True, slots=True)
class Named(Section):
    path: ClassVar[str] = "outer.named.NAME"

    size: int = field(default=1, metadata=option("Size."))


@dataclass(frozen=True, slots=True)
class Outer(Section):
    path: ClassVar[str] = "outer"

    items: tuple[Item, ...] = field(default=(), metadata=option("Items."))
    named: Mapping[str, Named] = field(default_factory=dict, metadata=option("By name."))


def faults(data: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        build_section(Outer, data, {})
    return caught.value.faults


def test_items_are_read_with_variables_and_shown_masked() -> None:
    data = {"items": [{"secrets": ["${A}"], "continue": True}, None], "named": {"a": {"size": 2}}}
    outer = build_section(Outer, data, {"A": "hunter2"})
    assert outer == Outer((Item(("hunter2",), True), Item()), {"a": Named(2)})
    assert outer.describe() == {
        "items": [
            {"secrets": ["********"], "continue": True},
            {"secrets": [], "continue": False},
        ],
        "named": {"a": {"size": 2}},
    }
    assert "hunter2" not in repr(outer)


def test_null_is_no_items() -> None:
    assert build_section(Outer, {"items": None, "named": None}, {}) == Outer()


def test_a_fault_names_the_item() -> None:
    assert faults({"items": [{}, {"continue": 3}], "named": {"a": {"sice": 2}, "b": 4}}) == (
        "outer.items[1].continue: must be true or false, not an integer (3)",
        "outer.named.a.sice: unknown key; did you mean outer.named.NAME.size?",
        "outer.named.b: must be a mapping of keys, not an integer",
    )
    assert faults({"items": {}, "named": []}) == (
        "outer.items: must be a list of mappings, not a mapping",
        "outer.named: must be a mapping of names to mappings, not a list",
    )
    assert faults({"named": {"a b": {}, 3: {}}}) == (
        "outer.named: a name must be made of the letters a to z, digits, - and _, not text ('a b')",
        "outer.named: a name must be made of the letters a to z, digits, - and _, "
        "not an integer (3)",
    )
    assert faults({"items": [{"secrets": ["${UNSET}"]}]}) == (
        "outer.items[0].secrets: environment variable UNSET is not set",
    )


def test_the_keys_of_items_are_walked_on_demand() -> None:
    assert [key.path for key in walk(Outer)] == ["outer.items", "outer.named"]
    assert [key.path for key in walk(Outer, items=True)] == [
        "outer.items", "outer.items[].secrets", "outer.items[].continue",
        "outer.named", "outer.named.NAME.size",
    ]  # fmt: skip
