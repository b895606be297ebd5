"""marshmallow schemas as the named schemas of the documents.

Requests are closed and say what the server accepts. Answers are open and say what is always sent. A
closed list of words is a schema of its own. No schema has a `default`: generators would make the
field required in the request, or send the default instead of leaving the field out.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import INCLUDE, Schema
from marshmallow import fields as plain_fields

from alphapulse_api.domain.books import BOOK
from alphapulse_api.schemas import fields, queries
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields.base import BaseField
from alphapulse_api.schemas.fields.numbers import MAX_DIGITS, MAX_FIGURES, MAX_NUMBER_TEXT
from alphapulse_api.schemas.loading import read_only_fields

# Decimals have no `format`: generators read `decimal` as a float.
DECIMAL: Final = r"^-?[0-9]+(\.[0-9]+)?$"
_NUMBER: Final = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
SIGNED: Final = f"^[+-]?{_NUMBER}"
UNSIGNED: Final = rf"^\+?{_NUMBER}"
_TYPES: Final[tuple[tuple[type[Any], str, str | None], ...]] = (
    (fields.Timestamp, "string", "date-time"),
    (fields.Money, "string", None),
    (fields.Figure, "number", "double"),
    (fields.Figures, "object", None),
    (fields.Labels, "object", None),
    (fields.Metadata, "object", None),
    (queries.CommaList, "string", None),
)
DIGITS: Final = (
    f" Decimals have at most {MAX_DIGITS} digits on either side of the point; JSON numbers are "
    "accepted, too."
)
# Lengths and bounds, which hold only for requests: a later release may answer with more.
_BOUNDS: Final = ("minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum")


class Converter(OpenAPIConverter):
    """apispec's converter, with our fields and the rules above."""

    def field2default(self, field: Any, **_: Any) -> dict[str, Any]:
        return {}

    def field2property(self, field: Any) -> dict[str, Any]:
        if isinstance(field, fields.Choice) and type(field) is not fields.Choice:
            reference = self._words(field)
            description = field.metadata.get("description")
            # Nothing may stand beside a reference.
            return {"allOf": [reference], "description": description} if description else reference
        described: dict[str, Any] = super().field2property(field)
        if isinstance(getattr(field, "root", None), Answer):
            for name in _BOUNDS:
                described.pop(name, None)
        if "$ref" in described and len(described) > 1:
            described = {"allOf": [{"$ref": described.pop("$ref")}], **described}
        return described

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        described: dict[str, Any] = {
            "type": "object",
            "description": _doc(schema),
            **super().schema2jsonschema(schema),  # type: ignore[no-untyped-call]
        }
        names = list(described["properties"])
        if isinstance(schema, Answer):
            required = [name for name in names if name not in schema.optional]
        else:
            required = [name for name in names if schema.fields[name].required]
            described["properties"] |= _accepted(schema, described["properties"])
            if any(isinstance(field, fields.Money) for field in schema.fields.values()):
                described["description"] += DIGITS
        described.pop("required", None)
        if required:
            described["required"] = required
        described["additionalProperties"] = schema.unknown == INCLUDE
        return described

    def query_parameter(self, name: str, field: plain_fields.Field[Any]) -> dict[str, Any]:
        """A field of a query as a parameter."""
        parameter: dict[str, Any] = self._field2parameter(field, name=name, location="query")
        if isinstance(field, queries.CommaList | queries.CommaText):
            items = self._words(field.choice())
            # Repeated, which every generator sends; few send a comma list.
            parameter |= {"schema": {"type": "array", "items": items, "minItems": 1}}
            parameter |= {"style": "form", "explode": True}
        match parameter["schema"]:
            case {"allOf": [only], **others} if not others:  # the parameter has the description
                parameter["schema"] = only
        return parameter

    def _words(self, field: fields.Choice) -> dict[str, Any]:
        name = type(field).__name__
        if name not in self.spec.components.schemas:
            described = {"type": "string", "enum": list(field.words), "description": _doc(field)}
            self.spec.components.schema(name, described)
        return {"$ref": f"#/components/schemas/{name}"}


class Plugin(MarshmallowPlugin):
    """apispec's plugin with our converter."""

    Converter = Converter


def make_spec(openapi_version: str, info: Mapping[str, Any]) -> tuple[APISpec, Converter]:
    """An empty document and the converter that adds schemas to it."""
    plugin: Any = Plugin(schema_name_resolver=lambda schema: _class(schema).__name__)
    spec = APISpec(
        title=info["title"],
        version=info["version"],
        openapi_version=openapi_version,
        plugins=[plugin],
        info=dict(info),
    )
    for field, kind, form in _TYPES:
        plugin.map_to_openapi_type(field, kind, form)
    converter = plugin.converter
    assert isinstance(converter, Converter)
    plugin.converter.add_attribute_function(_details)
    return spec, converter


def reference(converter: Converter, schema: type[Schema]) -> dict[str, Any]:
    """A reference to the schema, which is added to the document if it is not there."""
    found: dict[str, Any] = converter.resolve_nested_schema(schema())  # type: ignore[no-untyped-call]
    return found


def _class(schema: Any) -> type:
    return schema if isinstance(schema, type) else type(schema)


def _doc(described: object) -> str:
    return " ".join((inspect.getdoc(type(described)) or "").split())


def _accepted(schema: Schema, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a request that also accept null, or that are ignored.

    Null means left out. For a word of a closed list there is no schema that says so and that
    generators understand.
    """
    accepted: dict[str, Any] = {
        name: {**properties[name], "nullable": True}
        for name, field in schema.fields.items()
        if isinstance(field, BaseField) and not field.required and "type" in properties[name]
    }
    for name in sorted(read_only_fields(schema)):
        accepted[name] = {"readOnly": True, "description": "only the server sets it: ignored"}
    return accepted


def _details(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """The properties that do not follow from a field's type."""
    answer = isinstance(getattr(field, "root", None), Answer)
    match field:
        case fields.Money():
            more = field.metadata.get("description")
            kind = "decimal, exact" if answer or field.signed else "decimal, exact, at least 0"
            words = {"description": f"{kind}; {more}" if more else kind}
            if answer:
                return {**words, "pattern": DECIMAL}
            pattern = SIGNED if field.signed else UNSIGNED
            return {**words, "pattern": pattern, "maxLength": MAX_NUMBER_TEXT}
        case fields.Figures():
            number: dict[str, Any] = {"type": "number", "nullable": True}
            if converter.openapi_version.minor >= 1:
                number = {"type": ["number", "null"]}
            bounds = {} if answer else {"maxProperties": MAX_FIGURES}
            return {"additionalProperties": number, **bounds}
        case fields.Labels():
            bounds = {} if answer else {"maxProperties": fields.MAX_LABELS}
            return {"additionalProperties": {"type": "string"}, **bounds}
        case fields.Metadata() | plain_fields.Raw():
            return {"additionalProperties": True}
        case fields.Figure() if not answer:
            ends = {"minimum": field.low, "maximum": field.high}
            return {name: end for name, end in ends.items() if math.isfinite(end)}
        case fields.Word() if not answer:
            return {"pattern": f"^{fields.WORD}$"}
        case fields.MetricType() if not answer:
            return {"pattern": f"^{fields.METRIC_TYPE}$"}
        case fields.BookId() if not answer:
            return {"pattern": f"^({BOOK})?$" if field.none else f"^{BOOK}$"}
        case fields.Identifier() if not answer:
            return {"pattern": f"^{fields.PORTABLE_IDENTIFIER}$"}
        case queries.LabelPairs():
            return {"items": {"type": "string", "pattern": "^[^:]+:"}}
        case queries.QueryInteger():
            return {"minimum": field.low, "maximum": field.high}
    return {}
