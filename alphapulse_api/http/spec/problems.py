"""Failures in the OpenAPI document: the problem object, and the statuses of each operation."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.auth.permissions import ANY_CALLER, PUBLIC
from alphapulse_api.domain.errors import PROBLEM_BY_STATUS, PROBLEM_TYPES
from alphapulse_api.http.route import Row
from alphapulse_api.http.spec.examples.problems import PROBLEMS
from alphapulse_api.http.spec.headers import of_failure

_PLACE: Final = {
    "type": "object",
    "description": "What is wrong at one place.",
    "required": ["detail"],
    "properties": {
        "pointer": {"type": "string", "description": "RFC 6901, into the body"},
        "parameter": {"type": "string", "description": "of the query or the path"},
        "line": {"type": "integer", "description": "of a body in lines, from 1"},
        "detail": {"type": "string"},
    },
    "additionalProperties": True,
}
_TYPES: Final = ", ".join(f"`{kind.uri}`" for kind in PROBLEM_TYPES)
SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "ProblemPlace": _PLACE,
    "Problem": {
        "type": "object",
        "description": "A failure (RFC 9457). `type` is for programs, `detail` for people.",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {"type": "string", "description": f"one of {_TYPES}, or a later one"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "request_id": {"type": "string", "description": "as in `X-Request-ID`"},
            "errors": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/ProblemPlace"},
                "description": "of a 422: at most 100 places",
            },
            "errors_omitted": {
                "type": "integer",
                "description": "how many places are not in `errors`",
            },
            "accepted": {
                "type": "integer",
                "description": "of a body in lines: records stored before the failure",
            },
            "suggested_interval": {
                "type": "string",
                "description": "of an `interval` that makes too many buckets",
            },
            "error": {"type": "string", "description": "of /token: RFC 6749, section 5.2"},
            "error_description": {"type": "string", "description": "of /token"},
            "checks": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "of /readyz: each part and its state",
            },
            "down": {
                "type": "array",
                "items": {"type": "string"},
                "description": "of /readyz: the parts that are down",
            },
        },
        "additionalProperties": True,
    },
}
OTHERS: Final = "OtherProblem"


def _response(status: int, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "headers": of_failure(status),
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": PROBLEMS[status],
            }
        },
    }


def _name(status: int) -> str:
    return "".join(word.capitalize() for word in PROBLEM_BY_STATUS[status].slug.split("-"))


RESPONSES: Final[dict[str, dict[str, Any]]] = {
    **{
        _name(status): _response(status, PROBLEM_BY_STATUS[status].title)
        for status in PROBLEMS
        if status
    },
    OTHERS: _response(
        0,
        "Any other failure, a problem too: 405 for another method of the path, 408, 414, 421, 431, "
        "500, 501",
    ),
}


def failures(row: Row) -> dict[str, Any]:
    """The failures of an operation."""
    named = {
        str(status): {"$ref": f"#/components/responses/{_name(status)}"}
        for status in sorted(_statuses(row))
    }
    return {**named, "default": {"$ref": f"#/components/responses/{OTHERS}"}}


def _statuses(row: Row) -> set[int]:
    statuses = set(row.failures)
    if row.permission != PUBLIC:
        statuses |= {400, 401, 429, 503}
    if row.permission not in (PUBLIC, ANY_CALLER) and not row.by_token:
        statuses |= {403}
    if row.conditional or row.export:
        statuses |= {406}
    if row.versioned:
        statuses |= {412}
    # The books of a body are compared with those of its sender, unless nobody limited may send it.
    body = None if row.for_all_books else row.body
    if {"book"} & {*row.query_schema.fields, *(body().fields if body is not None else ())}:
        statuses |= {404}
    if row.form is not None:
        statuses |= {400, 413, 415, 429, 503}
    else:
        statuses |= {422}  # at least for an unknown parameter
    if row.described_body is not None:
        statuses |= {400, 413, 415}
    return statuses
