"""Answers every failure with application/problem+json, or in the form of the route's protocol."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import (
    BAD_REQUEST,
    INTERNAL,
    OTHER,
    PROBLEM_BY_STATUS,
    REQUEST_TIMEOUT,
    Problem,
    ProblemType,
    problem_document,
)
from alphapulse_api.http.pipeline.access import CLIENT_GONE, REQUEST_ID
from alphapulse_api.http.route import ROWS

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions into problem answers."""
    try:
        return await handler(request)
    except Problem as problem:
        return _answer(
            request,
            problem.kind,
            problem.kind.status,
            problem.detail,
            problem.headers,
            problem.extra,
        )
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kind = PROBLEM_BY_STATUS.get(error.status, OTHER)
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return _answer(request, kind, error.status, _detail(request, error), headers, {})
    except web.RequestPayloadError:
        return _answer(request, BAD_REQUEST, 400, "The body is wrongly encoded.", {}, {})
    except Exception as error:
        if isinstance(error, ConnectionError) and _is_gone(request):
            # The client has disconnected. Raised, this would log a traceback for each such client.
            return web.Response(status=CLIENT_GONE)
        logger.exception("a request failed", extra={"request_id": request[REQUEST_ID]})
        detail = "The server failed; its log has the reason under this request_id."
        return _answer(request, INTERNAL, 500, detail, {}, {})


def _is_gone(request: web.Request) -> bool:
    """Whether the client's connection broke, and not one that a host's accessor uses."""
    return request.transport is None or request.transport.is_closing()


def _detail(request: web.Request, error: web.HTTPException) -> str:
    if isinstance(error, web.HTTPNotFound):
        return "There is nothing at this path."
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return f"{request.method} is not allowed here; allowed: {allowed}."
    return error.text or error.reason


def _answer(
    request: web.Request,
    kind: ProblemType,
    status: int,
    detail: str,
    headers: dict[str, str],
    extra: dict[str, Any],
) -> web.Response:
    row = request.app[ROWS].get(request.match_info.route)
    # For every method, also one that the path does not have.
    if "error" not in extra and request.path in oauth_paths(request.app):
        extra = {**extra, **oauth_members(status, detail)}
    if row is not None and row.refusal is not None:
        status, media_type, body = row.refusal(request.content_type, status, detail)
    else:
        media_type = "application/problem+json"
        body = dumps(problem_document(kind, status, detail, request[REQUEST_ID], extra))
    response = web.Response(
        status=status,
        body=body,
        headers={"Cache-Control": "no-store", **headers, "Content-Type": media_type},
    )
    if status == REQUEST_TIMEOUT.status:
        response.force_close()  # do not wait for the rest of the body
    return response


def oauth_paths(app: web.Application) -> frozenset[str]:
    """The paths of RFC 6749 and RFC 7009, whose errors have further members."""
    return frozenset(
        route.resource.canonical
        for route, row in app[ROWS].items()
        if row.form is not None and route.resource is not None
    )


def oauth_members(status: int, detail: str) -> dict[str, str]:
    """The further members of a problem on one of these paths."""
    return {"error": _oauth_error(status), "error_description": detail}


def _oauth_error(status: int) -> str:
    """The error code of RFC 6749, section 5.2 (4.1.2.1 for the server's own faults)."""
    if status in (429, 503):
        return "temporarily_unavailable"
    return "server_error" if status >= 500 else "invalid_request"
