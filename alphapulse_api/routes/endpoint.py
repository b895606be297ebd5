"""From a row of the table to aiohttp's handler: path and body in, bytes out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from aiohttp import hdrs, web

from alphapulse_api.data.query import Page
from alphapulse_api.encoding import dumps, loads
from alphapulse_api.errors import (
    BAD_REQUEST,
    NOT_FOUND,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    Problem,
    ValidationProblem,
)
from alphapulse_api.keys import BACKEND, CALLER, HEADERS, QUESTION, QUESTIONS
from alphapulse_api.routes.formats import encode
from alphapulse_api.routes.query import FORMATS, Question
from alphapulse_api.routes.row import Call, Handler, RawHandler, Row
from alphapulse_api.schemas.metrics import ONLY_AGGREGATED

logger = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 16 * 1024 * 1024  # 10000 records of 1.6 KiB
MAX_PATH_VARIABLE: Final = 256
EXPORT_ROWS: Final = 5000  # rows read, encoded and sent at a time

VARY: Final = "Authorization, X-API-Key, Accept, Origin"


def endpoint(row: Row) -> RawHandler:
    """aiohttp's handler of a row."""
    if row.raw is not None:
        return _raw(row.raw)
    handler: Handler | None = row.handler
    assert handler is not None

    async def handle(request: web.Request) -> web.StreamResponse:
        backend = request.app[BACKEND]
        question: Question = request.get(QUESTION) or request.app[QUESTIONS].ask(row, request)
        call = Call(
            backend,
            request[CALLER],
            _path(request),
            question.values,
            await _body(row, request),
        )
        headers = {}
        if row.channel is not None:
            # Before the data are read: a client that follows the channel from here misses nothing.
            headers["X-Stream-Cursor"] = backend.events.cursor(row.channel)
            # A 404 has it, too: whoever is told that there is no portfolio yet can wait for it.
            request[HEADERS].update(headers)
        if question.export:
            return await _export(request, row, call, question.format, headers)
        answer = await handler(call)
        if row.many:
            if cursor := getattr(answer, "next_cursor", None):
                following = request.rel_url.update_query(cursor=cursor)
                headers["Link"] = f'<{following}>; rel="next"'
            body = encode(answer, question.format, _columns(row))
        else:
            body = dumps(answer)
        return web.Response(
            body=body,
            status=row.status,
            headers={**headers, "Content-Type": _content_type(question.format)},
        )

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


def _content_type(form: str) -> str:
    return "text/csv; charset=utf-8" if form == "csv" else FORMATS[form]


def _columns(row: Row) -> Sequence[str]:
    """The columns of an empty CSV: what every row of the listing has."""
    fields = row.answer().fields if row.answer is not None else {}
    return [name for name, field in fields.items() if not field.metadata.get(ONLY_AGGREGATED)]


def _path(request: web.Request) -> dict[str, str]:
    variables = dict(request.match_info)
    for value in variables.values():
        if "\x00" in value or len(value) > MAX_PATH_VARIABLE:
            raise Problem(NOT_FOUND, "There is no such thing.")
    return variables


async def _body(row: Row, request: web.Request) -> Any:
    if row.body is None:
        return None
    raw = await read_body(request)
    if not raw and row.body_may_be_absent:
        return {}
    if request.content_type != "application/json":
        raise Problem(
            UNSUPPORTED_MEDIA,
            f"Send application/json, not {request.headers.get(hdrs.CONTENT_TYPE, 'nothing')}.",
        )
    try:
        body = loads(raw)
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


async def _export(
    request: web.Request, row: Row, call: Call, form: str, headers: dict[str, str]
) -> web.StreamResponse:
    """Everything that matches, a stretch at a time, in constant memory."""
    assert row.handler is not None
    # A host's accessor gives all it has in one page.
    ours = row.tag not in call.backend.accessors.replaced
    query = {**call.query, "limit": EXPORT_ROWS} if ours else dict(call.query)
    page: Page[Any] = await row.handler(replace(call, query=query))
    early: dict[str, str] = request[HEADERS]
    response = web.StreamResponse(
        headers={
            **early,
            **headers,
            "Content-Type": _content_type(form),
            "Cache-Control": "private, no-cache",
            "Vary": VARY,
            "X-Cache": "BYPASS",
        }
    )
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    try:
        await response.write(encode(page, form, _columns(row)))
        while cursor := getattr(page, "next_cursor", None):
            page = await row.handler(replace(call, query={**query, "cursor": cursor}))
            await response.write(encode(page, form, (), head=False))
        await response.write_eof()
    except Exception as error:
        # The status has gone out already: a stream that breaks off is the only honest sign left.
        if not isinstance(error, ConnectionError):
            logger.exception("an export broke off")
        if request.transport is not None:
            request.transport.abort()
    return response
