"""The OpenAPI 3.0.3 document, generated from the route table and the schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from alphapulse_api.auth.permissions import ANY_CALLER, PUBLIC
from alphapulse_api.domain.errors import PROBLEM_BY_STATUS, PROBLEM_TYPES
from alphapulse_api.http.codecs.formats import FORMATS
from alphapulse_api.http.ingest import LINED
from alphapulse_api.http.json_scan import MAX_ITEMS
from alphapulse_api.http.route import TOKEN, Row
from alphapulse_api.http.spec.schemas import make_spec
from alphapulse_api.schemas.fields import METRIC_TYPE
from alphapulse_api.schemas.metrics import Accepted

VERSION: Final = "3.0.3"  # the newest that the bundled Swagger UI reads
DESCRIPTION: Final = (
    "Live data of an automated trading process. The socket at /ws is described by /asyncapi.json."
)
SECURITY: Final[list[dict[str, list[str]]]] = [{"password": []}, {"token": []}, {"api_key": []}]

PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "enum": [kind.uri for kind in PROBLEM_TYPES]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "error": {"type": "string", "description": "of /token: RFC 6749, section 5.2"},
        "error_description": {"type": "string"},
        "suggested_interval": {"type": "string"},
        "accepted": {"type": "integer", "description": "of a body in lines: records stored"},
        "errors_omitted": {"type": "integer", "description": "how many errors are not in `errors`"},
        "errors": {
            "type": "array",
            "maxItems": 100,
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "RFC 6901, into the body"},
                    "parameter": {"type": "string", "description": "of query or path"},
                    "line": {"type": "integer", "description": "of a body in lines, from 1"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

PATH_DETAILS: Final[dict[str, dict[str, Any]]] = {
    "metric_type": {"pattern": f"^{METRIC_TYPE}$"},
    "id": {"minLength": 1, "maxLength": 128},
    TOKEN: {"description": "made by `api-key create NAME --scope webhook`"},
}

_TEXT: Final[dict[str, Any]] = {"schema": {"type": "string"}}
_BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}


def openapi_document(rows: Iterable[Row], server: str) -> dict[str, Any]:
    """The document.

    Args:
        rows: the routes served.
        server: the path prefix they are served under.
    """
    spec, _ = make_spec(VERSION, {
        "title": "alphapulse_api",
        "version": "1",
        "description": DESCRIPTION,
        "license": {"name": "MIT"},
    })  # fmt: skip
    spec.options["servers"] = [{"url": server}]
    spec.components.schema("Problem", PROBLEM)
    spec.components.security_scheme(
        "password",
        {"type": "oauth2", "flows": {"password": {"tokenUrl": _token_url(server), "scopes": {}}}},
    )
    spec.components.security_scheme(
        "token", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    )
    spec.components.security_scheme(
        "api_key", {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    )
    operations: dict[str, dict[str, Any]] = {}
    for row in dict.fromkeys(rows):
        if row.protocol:
            continue
        operations.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    for path, methods in operations.items():
        spec.path(path=path, operations=methods)
    return spec.to_dict()


def _token_url(server: str) -> str:
    return f"{server.rstrip('/')}/token"


def _operation(row: Row) -> dict[str, Any]:
    handler = row.handler or row.raw
    by_token = f"{{{TOKEN}}}" in row.path
    operation: dict[str, Any] = {
        "tags": [row.tag],
        "summary": row.summary,
        "operationId": f"{row.tag}_{getattr(handler, '__name__', '')}{'_by_token' * by_token}",
        "parameters": [
            {"in": "path", "name": name, "required": True, "schema": _path_schema(name)}
            for name in re.findall(r"{(\w+)}", row.path)
        ],
        "responses": {**_successes(row), **_failures(row)},
    }
    if row.permission not in (PUBLIC, ANY_CALLER):
        operation["description"] = f"Needs the permission `{row.permission}`."
    if row.permission != PUBLIC:
        operation["security"] = [] if by_token else SECURITY
    if row.query().fields:
        operation["parameters"].append({"in": "query", "schema": row.query})
    if row.body is not None:
        schema: dict[str, Any] = {"schema": row.body}
        if row.body_may_be_array:
            schema = {
                "schema": {"oneOf": [row.body, {"type": "array", "items": row.body}]},
            }
        elif row.body_is_array:
            schema = {
                "schema": {"type": "array", "items": row.body, "maxItems": MAX_ITEMS},
            }
        content = {"application/json": schema}
        if row.body_may_be_array:
            content.update((media_type, _TEXT) for media_type in LINED)
        if row.text_body:
            content["text/plain"] = _TEXT
        operation["requestBody"] = {"required": not row.body_may_be_absent, "content": content}
    if row.form is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": row.form}},
        }
    return operation


def _path_schema(name: str) -> dict[str, Any]:
    return {"type": "string", **PATH_DETAILS.get(name, {})}


def _successes(row: Row) -> dict[str, Any]:
    success = _success(row)
    if not row.repeats:
        return {str(row.status): success}
    stored_before = {**success, "description": "It was stored before; nothing new was made."}
    return {"200": stored_before, str(row.status): success}


def _success(row: Row) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(row.status).phrase}
    if row.answer is not None:
        schema: Any = {"type": "array", "items": row.answer} if row.many else row.answer
        if row.body_may_be_array and row.answer is not Accepted:
            schema = {"oneOf": [row.answer, Accepted]}
        response["content"] = {} if row.export else {"application/json": {"schema": schema}}
        if row.many:
            for form in ("csv", "ndjson"):
                response["content"][FORMATS[form]] = _TEXT
            response["content"][FORMATS["arrow"]] = _BYTES
    elif row.status != HTTPStatus.SWITCHING_PROTOCOLS:
        kind = "object" if row.media_type == "application/json" else "string"
        response["content"] = {row.media_type: {"schema": {"type": kind}}}
    if row.pages:
        response["headers"] = {
            "Link": {"schema": {"type": "string"}, "description": '<…>; rel="next"'},
            "X-Next-Cursor": {
                "schema": {"type": "string"},
                "description": "the cursor of the next page; there is none on the last page",
            },
        }
    if row.pages or row.export:
        response.setdefault("headers", {})["X-Time-Range"] = {
            "schema": {"type": "string"},
            "description": "of an export: the range it covers, such as "
            "2026-01-01T00:00:00.000000Z/..",
        }
    if "aggregation" in row.query().fields:
        response["headers"]["X-Approximate"] = {
            "schema": {"type": "string"},
            "description": "the percentiles that are within 1 % and not exact, such as p50, p99",
        }
    return response


def _failures(row: Row) -> dict[str, Any]:
    statuses = {500, 503}
    if row.permission != PUBLIC:
        statuses |= {401, 403, 429}
    if row.many:
        statuses |= {406}
    if row.handler is not None or row.webhook:
        statuses |= {422}  # of an unknown parameter, if of nothing else
    if row.status == HTTPStatus.SWITCHING_PROTOCOLS:
        statuses |= {400, 401, 403}
    if row.body is not None or row.form is not None:
        statuses |= {400, 413, 415}
    if row.form is not None:
        statuses |= {429}
    if row.path == "/token":
        statuses |= {401}
    if "{" in row.path or row.path == "/api/portfolio" or row.tag == "console":
        statuses |= {404}
    if row.body is not None and (
        row.status == HTTPStatus.CREATED or row.body_is_array or row.webhook
    ):
        statuses |= {409}
    return {
        str(status): {
            "description": PROBLEM_BY_STATUS[status].title,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status in sorted(statuses)
    }
