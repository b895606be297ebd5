"""Our field types in JSON Schema."""

from __future__ import annotations

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from alphapulse_api.schemas import fields, queries


def make_spec(openapi_version: str, title: str, description: str) -> APISpec:
    """An apispec that knows our fields."""
    plugin = MarshmallowPlugin(schema_name_resolver=lambda schema: _class(schema).__name__)
    spec = APISpec(
        title=title,
        version="1",
        openapi_version=openapi_version,
        plugins=[plugin],
        info={"description": description, "license": {"name": "MIT"}},
    )
    for field, kind, form in (
        (fields.Timestamp, "string", "date-time"),
        (fields.Money, "string", "decimal"),
        (fields.Figure, "number", "double"),
        (fields.Figures, "object", None),
        (fields.Labels, "object", None),
        (fields.Metadata, "object", None),
        (queries.CommaList, "string", None),
    ):
        plugin.map_to_openapi_type(field, kind, form)
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_details)
    return spec


def _class(schema: Any) -> type:
    return schema if isinstance(schema, type) else type(schema)


def _details(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """What a field's type alone does not say."""
    match field:
        case fields.Figures():
            number: dict[str, Any] = {"type": "number", "nullable": True}
            if converter.openapi_version.minor >= 1:
                number = {"type": ["number", "null"]}
            return {"additionalProperties": number}
        case fields.Labels():
            return {"additionalProperties": {"type": "string"}, "maxProperties": fields.MAX_LABELS}
        case fields.Metadata():
            return {"additionalProperties": True}
        case fields.Word():
            return {"pattern": f"^{fields.METRIC_TYPE}$"}
        case fields.Identifier():
            return {"minLength": 1, "maxLength": 128}
        case queries.QueryInteger():
            return {"minimum": field.low, "maximum": field.high}
    return {}
