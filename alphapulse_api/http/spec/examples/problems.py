"""Errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.errors import PROBLEM_BY_STATUS

_REQUEST: Final = "01a21b92585a75048f9a740bd43fa6b6"


def _problem(status: int, detail: str, **members: Any) -> dict[str, Any]:
    kind = PROBLEM_BY_STATUS[status]
    return {
        "type": kind.uri, "title": kind.title, "status": status, "detail": detail,
        "request_id": _REQUEST, **members,
    }  # fmt: skip


# By status; 0 stands for the statuses that no operation lists.
PROBLEMS: Final[Mapping[int, Any]] = {
    0: _problem(405, "DELETE is not allowed here; allowed: GET, POST."),
    400: _problem(400, "The body is not JSON: Expecting value: line 1 column 1 (char 0)."),
    401: _problem(401, "Send Authorization: Bearer <token> or X-API-Key: <key>."),
    403: _problem(403, "This needs the permission publish."),
    404: _problem(404, "There is no trade 't-9'."),
    406: _problem(406, "Accept one of application/json, text/csv."),
    409: _problem(
        409,
        "The id 't-1' exists with another quantity.",
        errors=[{"pointer": "/quantity", "detail": "The id 't-1' exists with another quantity."}],
    ),
    412: _problem(
        412,
        "The portfolio is of another version than If-Match names: something else changed it. "
        "Nothing was stored; read it again.",
    ),
    413: _problem(413, "The body may have at most 16777216 bytes."),
    415: _problem(415, "Send application/json."),
    422: _problem(
        422,
        "/price: Not a decimal number.",
        errors=[{"pointer": "/price", "detail": "Not a decimal number."}],
    ),
    429: _problem(429, "At most 120 requests in 60 s; try again in 2 s."),
    503: _problem(503, "The database is away."),
}
