"""One route as an operation of the OpenAPI document."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from alphapulse_api.auth.permissions import ANY_CALLER, PUBLIC
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.http.codecs.formats import EXPORTED, FORMATS, encoder, whole
from alphapulse_api.http.json_scan import MAX_ITEMS
from alphapulse_api.http.route import TOKEN, Row
from alphapulse_api.http.spec.examples import answer_example, request_example
from alphapulse_api.http.spec.examples.parameters import PARAMETERS
from alphapulse_api.http.spec.examples.system import METRICS_TEXT
from alphapulse_api.http.spec.headers import of_success, of_unchanged
from alphapulse_api.http.spec.problems import failures
from alphapulse_api.http.spec.schemas import Converter, reference
from alphapulse_api.runtime.slices import finish
from alphapulse_api.schemas.fields import METRIC_TYPE, PORTABLE_IDENTIFIER
from alphapulse_api.schemas.queries import Formatted

# In the order in which a client should choose: a program has a key.
SECURITY: Final[list[dict[str, list[str]]]] = [{"api_key": []}, {"token": []}, {"password": []}]

_VARIABLES: Final[dict[str, dict[str, Any]]] = {
    "metric_type": {
        "description": "the type of metric: a lower-case letter, then up to 63 of `a-z0-9_`",
        "schema": {"type": "string", "pattern": f"^{METRIC_TYPE}$"},
    },
    "id": {
        "description": "the id, percent-encoded: 1 to 128 characters",
        "schema": {"type": "string", "pattern": f"^{PORTABLE_IDENTIFIER}$"},
    },
    "signal_id": {
        "description": "the id of the signal, percent-encoded: 1 to 128 characters",
        "schema": {"type": "string", "pattern": f"^{PORTABLE_IDENTIFIER}$"},
    },
    TOKEN: {
        "description": "made by `api-key create NAME --scope webhook`",
        "schema": {"type": "string"},
    },
}
_IF_NONE_MATCH: Final[dict[str, Any]] = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "the `ETag` of an answer that the client has; 304 if it is still the same",
    "schema": {"type": "string"},
    "example": PARAMETERS["If-None-Match"],
}
_IF_MATCH: Final[dict[str, Any]] = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "description": (
        "the `ETag` of an answer that the client has read; 412 if something has changed the record "
        "since. `*`: 412 if there is none. Weak tags never match."
    ),
    "schema": {"type": "string"},
    "example": PARAMETERS["If-Match"],
}
_CHANGE_IF_NONE_MATCH: Final[dict[str, Any]] = {
    **_IF_NONE_MATCH,
    "description": (
        "`*`: 412 if there is such a record, so that only a new one is stored; `ETag`s: 412 if the "
        "record is of one of these versions"
    ),
}
# The parameters that choose a list's other formats; the document describes only JSON.
_FORMATTED: Final = frozenset(Formatted().fields)


def operation(row: Row, converter: Converter) -> dict[str, Any]:
    """The operation; its schemas are added to the document."""
    described: dict[str, Any] = {
        "operationId": row.operation,
        "summary": row.summary.rstrip("."),
        "description": _description(row),
        "tags": [row.tag],
        "security": [] if row.permission == PUBLIC or row.by_token else SECURITY,
        "parameters": _parameters(row, converter),
    }
    if content := _request(row, converter):
        described["requestBody"] = {
            "required": not row.body_may_be_absent,
            "content": content,
        }
    described["responses"] = {**_successes(row, converter), **failures(row)}
    return described


def _description(row: Row) -> str:
    _, _, more = row.described.partition("\n")
    if row.permission == PUBLIC:
        who = "Needs no credentials."
    elif row.by_token:
        who = "The token in the path is the credential."
    elif row.permission == ANY_CALLER:
        who = "Every caller may ask."
    else:
        who = f"Needs the permission `{row.permission}`."
        if row.also:
            names = " and ".join(f"`{name}`" for name in (row.permission, *row.also))
            who = f"Needs the permissions {names}."
    return "\n\n".join(part for part in (row.summary, " ".join(more.split()), who) if part)


def _parameters(row: Row, converter: Converter) -> list[dict[str, Any]]:
    described = []
    for name in re.findall(r"{(\w+)}", row.path):
        variable = {"in": "path", "name": name, "required": True, **_VARIABLES[name]}
        described.append({**variable, "example": _example(row, name)})
    for name, field in row.query_schema.fields.items():
        if row.many and not row.export and name in _FORMATTED:
            continue
        parameter = converter.query_parameter(name, field)
        if (example := _example(row, name)) is not None:
            parameter["example"] = example
        described.append(parameter)
    if row.conditional:
        described.append(_IF_NONE_MATCH)
    if row.versioned:
        described += (_IF_MATCH, _CHANGE_IF_NONE_MATCH)
    return described


def _example(row: Row, name: str) -> Any:
    return PARAMETERS.get((row.tag, name), PARAMETERS.get(name))


def _request(row: Row, converter: Converter) -> dict[str, Any]:
    if row.form is not None:
        described = {
            "schema": reference(converter, row.form),
            "example": request_example(row.form),
        }
        return {"application/x-www-form-urlencoded": described}
    if row.described_body is None:
        return {}
    example = request_example(row.described_body)
    if row.body_in_lines:
        text = {"type": "string", "description": "a record a line; in CSV, the first names fields"}
        lines = {"schema": text, "example": dumps(example).decode()}
        return {FORMATS["ndjson"]: lines, FORMATS["csv"]: {**lines, "example": _csv(example)}}
    schema = reference(converter, row.described_body)
    if row.body_is_array:
        schema = {"type": "array", "items": schema, "maxItems": MAX_ITEMS}
        example = [example]
    return {"application/json": {"schema": schema, "example": example}}


def _successes(row: Row, converter: Converter) -> dict[str, Any]:
    success = {
        "description": HTTPStatus(row.status).phrase,
        "headers": of_success(row),
        "content": _answer(row, converter),
    }
    described = {str(row.status): success}
    if row.repeats:
        repeat = "It was stored before; nothing new was made."
        stored = {**success, "description": repeat, "headers": of_success(row, repeat=True)}
        described = {"200": stored, **described}
    if row.conditional:
        described["304"] = {"description": "Not Modified", "headers": of_unchanged(row)}
    return described


def _csv(record: Mapping[str, Any]) -> str:
    """A header line, and a line for the record."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(record)
    cells = [dumps(v).decode() if isinstance(v, (dict, list)) else v for v in record.values()]
    writer.writerow(cells)
    return text.getvalue()


def _answer(row: Row, converter: Converter) -> dict[str, Any]:
    if row.export:
        return {media_type: _file(row, form) for form, media_type in EXPORTED.items()}
    if row.answer is None:
        return {row.media_type: {"schema": {"type": "string"}, "example": METRICS_TEXT}}
    schema, example = reference(converter, row.answer), answer_example(row.answer)
    if row.many:
        schema, example = {"type": "array", "items": schema}, [example]
    return {"application/json": {"schema": schema, "example": example}}


def _file(row: Row, form: str) -> dict[str, Any]:
    if form == "arrow":
        return {"schema": {"type": "string", "format": "binary"}}
    assert row.answer is not None
    example = finish(whole(encoder(form, row, {}), [answer_example(row.answer)]))
    return {"schema": {"type": "string"}, "example": example.decode()}
