"""Schemas that agents declare: those that cost much, or lead elsewhere, are refused."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from alphapulse_api.schemas.command_parameters import check_schema, faults_of
from alphapulse_api.schemas.commands import DeclaredCommandRequest


def deep(levels: int, key: str = "items") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array"}
    for _ in range(levels):
        schema = {key: schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "nonsense"}, "Not a JSON Schema"),
        ({"$ref": "https://example.com/schema"}, r"\$ref"),
        ({"properties": {"a": {"$ref": "#"}}}, r"\$ref"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "pattern"),
        ({"patternProperties": {"(a+)+$": {}}}, "patternProperties"),
        ({"items": {"uniqueItems": True}}, "uniqueItems"),
        ({"allOf": [{"not": {"format": "regex"}}]}, "format"),
        ({"description": "x" * 9000}, "bytes"),
        (deep(50), "nest"),
        (deep(50, "not"), "nest"),
        ({"anyOf": [{"anyOf": [{}] * 40}] * 40}, "schemas"),
    ],
)
def test_such_a_schema_is_refused(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        check_schema(schema)


def test_a_property_may_have_the_name_of_a_refused_keyword() -> None:
    check_schema({"type": "object", "properties": {"pattern": {"type": "string"}}})


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"a": "x" * 9000}, "/parameters"),
        ({"a": {"b/c": "x"}}, "/parameters/a/b~1c"),
    ],
)
def test_faults_have_pointers(parameters: dict[str, Any], place: str) -> None:
    schema = {"properties": {"a": {"properties": {"b/c": {"type": "number"}}}}}
    (fault,) = faults_of(parameters, schema)
    assert fault["pointer"] == place


def test_faults_are_bounded() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}}
    assert len(list(faults_of({"a": list(range(1000))}, schema))) == 20


def test_an_integer_too_large_for_a_division_is_a_fault() -> None:
    schema = {"properties": {"a": {"multipleOf": 0.5}}}
    assert [fault["pointer"] for fault in faults_of({"a": 10**400}, schema)] == ["/parameters"]


@pytest.mark.parametrize(
    ("name", "parameters", "valid"),
    [
        ("halt", {"required": ["why"]}, False),
        ("halt", {"minProperties": 1}, False),
        ("halt", {"properties": {"why": {"type": "string"}}}, True),
        ("halt", None, True),
        ("pause", {"required": ["why"]}, True),
    ],
)
def test_halt_must_not_need_parameters(
    name: str, parameters: dict[str, Any] | None, valid: bool
) -> None:
    declared: dict[str, Any] = {"name": name, "level": "full"}
    if parameters is not None:
        declared["parameters"] = parameters
    faults = DeclaredCommandRequest().validate(declared)
    assert set(faults) == (set() if valid else {"parameters"})
