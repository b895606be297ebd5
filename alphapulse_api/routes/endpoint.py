"""From a row of the table to aiohttp's handler: path and body in, bytes out."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

from aiohttp import hdrs, web

from alphapulse_api.compression import compressed
from alphapulse_api.encoding import dumps
from alphapulse_api.errors import (
    BAD_REQUEST,
    NOT_FOUND,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    Problem,
    ValidationProblem,
)
from alphapulse_api.keys import BACKEND, CALLER, HEADERS, QUESTION, QUESTIONS
from alphapulse_api.routes.export import export
from alphapulse_api.routes.formats import FORMATS, Rows, approximate, encoder, whole
from alphapulse_api.routes.ingest import LINED, ingest
from alphapulse_api.routes.query import Question
from alphapulse_api.routes.row import Call, Handler, RawHandler, Row

MAX_BODY_BYTES: Final = 16 * 1024 * 1024  # 10000 records of 1.6 KiB
MAX_PATH_VARIABLE: Final = 256
MAX_SHOWN: Final = 100  # characters of a caller's own text in an error
ROWS_ON_LOOP: Final = 1000  # as JSON; more, or in another format, are encoded on a thread

CONTENT_TYPES: Final = {**FORMATS, "csv": "text/csv; charset=utf-8"}
VARY: Final = "Authorization, X-API-Key, Accept, Accept-Encoding, Origin"
UNCACHED: Final = {"Cache-Control": "private, no-cache", "Vary": VARY, "X-Cache": "BYPASS"}


def endpoint(row: Row) -> RawHandler:
    """aiohttp's handler of a row."""
    if row.raw is not None:
        return _raw(row.raw)
    handler: Handler | None = row.handler
    assert handler is not None

    async def handle(request: web.Request) -> web.StreamResponse:
        backend = request.app[BACKEND]
        question: Question = request.get(QUESTION) or request.app[QUESTIONS].ask(row, request)
        call = Call(backend, request[CALLER], _path(request), question.values)
        in_lines = row.body_may_be_array and request.content_type in LINED
        if row.body is not None and not in_lines:
            call = replace(call, body=await _body(row, request))
        headers = {}
        if row.channel is not None:
            # Before the data are read: a client that follows the channel from here misses nothing.
            headers["X-Stream-Cursor"] = backend.events.cursor(row.channel)
            # A 404 has it, too: whoever is told that there is no portfolio yet can wait for it.
            request[HEADERS].update(headers)
        headers["Content-Type"] = CONTENT_TYPES[question.format]
        if question.export:
            return await export(request, row, call, question, {**headers, **UNCACHED})
        answer: Any = await (ingest(request, row, call) if in_lines else handler(call))
        if row.many:
            if cursor := getattr(answer, "next_cursor", None):
                following = request.rel_url.update_query(cursor=cursor)
                headers["Link"] = f'<{following}>; rel="next"'
            headers.update(approximate(answer))
            body = await _encode(row, question, answer)
        else:
            body = dumps(answer)
        if question.coding.applies(len(body)):
            body = await compressed(body, question.coding.name)
            headers["Content-Encoding"] = question.coding.name
        return web.Response(body=body, status=row.status, headers=headers)

    return handle


def _raw(handler: RawHandler) -> RawHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.rel_url.raw_query_string:
            raise ValidationProblem(
                [{"parameter": name, "detail": "Unknown parameter."} for name in request.query]
                or [{"parameter": "", "detail": "This path takes no parameters."}]
            )
        return await handler(request)

    return handle


async def _encode(row: Row, question: Question, rows: Rows) -> bytes:
    def work() -> bytes:
        return whole(encoder(question.format, row, question.values), rows)

    if question.format == "json" and len(rows) <= ROWS_ON_LOOP:
        return work()

    return await asyncio.to_thread(work)


def _path(request: web.Request) -> dict[str, str]:
    variables = dict(request.match_info)
    for value in variables.values():
        if "\x00" in value or len(value) > MAX_PATH_VARIABLE:
            raise Problem(NOT_FOUND, "There is no such thing.")
    return variables


async def _body(row: Row, request: web.Request) -> Any:
    raw = await read_body(request)
    if not raw and row.body_may_be_absent:
        return {}
    if request.content_type != "application/json":
        taken = ", ".join(("application/json", *(LINED if row.body_may_be_array else ())))
        if hdrs.CONTENT_TYPE not in request.headers:
            detail = f"The Content-Type header is missing; it must name one of: {taken}."
            raise Problem(UNSUPPORTED_MEDIA, detail)
        given = request.content_type[:MAX_SHOWN]
        raise Problem(UNSUPPORTED_MEDIA, f"The body is {given}; it must be one of: {taken}.")
    try:
        body = row.loads(raw)
    except ValueError as error:
        raise Problem(BAD_REQUEST, f"The body is not JSON: {error}.") from None
    if isinstance(body, dict) or (isinstance(body, list) and row.body_may_be_array):
        return body
    wanted = "an object or an array of objects" if row.body_may_be_array else "an object"
    raise ValidationProblem([{"pointer": "", "detail": f"The body must be {wanted}."}])


async def read_body(request: web.Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body, decompressed, if it is not too large.

    Raises:
        Problem: 413 if it is longer than `limit` bytes, 400 if it is not well transferred.
    """
    parts: list[bytes] = []
    size = 0
    too_large = Problem(TOO_LARGE, f"A body may have at most {limit} bytes.")
    if (request.content_length or 0) > limit:
        raise too_large
    try:
        async for chunk in request.content.iter_any():
            size += len(chunk)
            if size > limit:
                raise too_large
            parts.append(chunk)
    except web.RequestPayloadError:
        raise Problem(BAD_REQUEST, "The body is not well encoded or ended early.") from None
    return b"".join(parts)
