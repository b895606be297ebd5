"""JSON Schemas (2020-12) that agents declare for the parameters of their commands.

Keywords that follow references, or run regular expressions of the declarer on what others send,
are refused: the first can be circular or remote, the second can take exponential time. So is the
one that compares all pairs of items.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

from marshmallow import ValidationError

from alphapulse_api.domain.encoding import dumps

MAX_SCHEMA_BYTES: Final = 8192
MAX_PARAMETERS_BYTES: Final = 8192
MAX_FAULTS: Final = 20
MAX_DEPTH: Final = 10  # of schemas in schemas
MAX_SCHEMAS: Final = 200  # schemas in one schema
_REFUSED: Final = frozenset(
    {
        "$ref", "$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor", "$schema",
        "pattern", "patternProperties", "format", "uniqueItems",
    }
)  # fmt: skip
# Where schemas lie inside schemas: in the value, in each of its members, or in each of its items.
_SCHEMA: Final = frozenset(
    {
        "items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "contains",
        "propertyNames", "not", "if", "then", "else",
    }
)  # fmt: skip
_OF_MEMBERS: Final = frozenset({"properties", "dependentSchemas", "$defs"})
_OF_ITEMS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})


def check_schema(schema: Mapping[str, Any]) -> None:
    """Check a declared schema.

    Raises:
        ValidationError: if it is no valid schema, too long, or uses a refused keyword.
    """
    from jsonschema import Draft202012Validator, SchemaError  # 60 ms, for the few who need it

    if len(dumps(schema)) > MAX_SCHEMA_BYTES:
        raise ValidationError(f"At most {MAX_SCHEMA_BYTES} bytes of JSON.")
    schemas = list(_schemas(schema))
    if len(schemas) > MAX_SCHEMAS:
        raise ValidationError(f"At most {MAX_SCHEMAS} schemas, {MAX_DEPTH} deep nested.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        raise ValidationError(
            f"Not a JSON Schema (2020-12): at /{place}: {error.message[:200]}"
        ) from None
    if refused := sorted(_REFUSED.intersection(chain.from_iterable(schemas))):
        raise ValidationError(f"These keywords are not allowed: {', '.join(refused)}.")


def faults_of(parameters: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is wrong with parameters: pointers and details, as in an answer of 422."""
    from jsonschema import Draft202012Validator  # as above

    if len(dumps(parameters)) > MAX_PARAMETERS_BYTES:
        yield {
            "pointer": "/parameters",
            "detail": f"At most {MAX_PARAMETERS_BYTES} bytes of JSON.",
        }
        return
    errors = islice(Draft202012Validator(schema).iter_errors(parameters), MAX_FAULTS)
    try:
        for error in errors:
            place = "".join(f"/{_escaped(str(part))}" for part in error.absolute_path)
            yield {"pointer": f"/parameters{place}", "detail": error.message[:300]}
    except OverflowError:  # multipleOf divides floats
        yield {"pointer": "/parameters", "detail": "A number is too large for its schema."}


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _schemas(schema: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """A schema and those in it.

    Raises:
        ValidationError: if they nest too deep.
    """
    if not isinstance(schema, Mapping):
        return
    if depth > MAX_DEPTH:
        raise ValidationError(f"Schemas may nest {MAX_DEPTH} deep.")
    yield schema
    for keyword, value in schema.items():
        inner: list[Any] = []
        if keyword in _SCHEMA:
            inner = [value]
        elif keyword in _OF_MEMBERS and isinstance(value, Mapping):
            inner = list(value.values())
        elif keyword in _OF_ITEMS and isinstance(value, list):
            inner = value
        for one in inner:
            yield from _schemas(one, depth + 1)
