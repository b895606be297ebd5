"""Makes aiohttp's handlers from rows of the route table: path and body in, bytes out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from alphapulse_api.auth.caller import Caller
from alphapulse_api.backend import BACKEND, Backend
from alphapulse_api.domain.errors import BAD_REQUEST, NOT_FOUND, Problem, ValidationProblem
from alphapulse_api.http.body import read_json
from alphapulse_api.http.codecs.formats import (
    FORMATS,
    Rows,
    approximate,
    dumping,
    dumping_rows,
    encoder,
    whole,
)
from alphapulse_api.http.compression import compressed
from alphapulse_api.http.export import export
from alphapulse_api.http.ingest import LINED, ingest
from alphapulse_api.http.pipeline.actor import actor_of
from alphapulse_api.http.pipeline.auth import CALLER
from alphapulse_api.http.pipeline.conditions import precondition
from alphapulse_api.http.pipeline.headers import HEADERS, VARY
from alphapulse_api.http.pipeline.viewing import view_of
from alphapulse_api.http.query import QUESTION, QUESTIONS, Question
from alphapulse_api.http.route import CHANGES_IN, VERSION, Call, Handler, RawHandler, Row
from alphapulse_api.log.joint import stream_cursor
from alphapulse_api.runtime.slices import paced, releasing

MAX_PATH_VARIABLE: Final = 256

CONTENT_TYPES: Final = {**FORMATS, "csv": "text/csv; charset=utf-8"}
UNCACHED: Final = {"Cache-Control": "private, no-cache", "Vary": VARY, "X-Cache": "BYPASS"}


def endpoint(row: Row) -> RawHandler:
    """aiohttp's handler for a row."""
    if row.raw is not None:
        return row.raw if row.protocol else _raw(row.raw, row)
    handler: Handler | None = row.handler
    assert handler is not None or row.imports is not None

    async def handle(request: web.Request) -> web.StreamResponse:
        backend = request.app[BACKEND]
        question: Question = request.get(QUESTION) or request.app[QUESTIONS].ask(row, request)
        caller = request[CALLER]
        view = await view_of(request, row, question)
        identified = partial(actor_of, request)
        call = Call(caller, view, backend.slices, identified, _path(request), question.values)
        if row.versioned:
            call = replace(call, precondition=precondition(request.headers))
        in_lines = row.body_in_lines or (row.body_may_be_array and request.content_type in LINED)
        if row.body is not None and not in_lines:
            others = LINED if row.body_may_be_array else ()
            call = replace(call, body=await read_json(request, row, others))
        headers = {}
        if row.channel is not None:
            # Read before the data: a client that subscribes from here misses nothing.
            headers["X-Stream-Cursor"] = stream_cursor(backend.events, row.channel)
            # On a 404 too: a client can then wait for the first portfolio.
            request[HEADERS].update(headers)
        headers["Content-Type"] = CONTENT_TYPES[question.format]
        if row.export:
            name = row.path.split("/")[-2]
            name = row.tag if "{" in name else name
            headers["Content-Disposition"] = f'attachment; filename="{name}.{question.format}"'
        if question.export:
            return await export(request, row, call, question, {**headers, **UNCACHED})
        answer: Any
        if in_lines or handler is None:
            answer = await ingest(request, row, call)
        else:
            answer = await _answer(handler, call)
            if row.method == hdrs.METH_GET:
                await backend.turns.take()
        if (changes_in := getattr(answer, "changes_in", None)) is not None:
            request[CHANGES_IN] = changes_in
        if (version := getattr(answer, "version", None)) is not None:
            request[VERSION] = version
            if row.versioned:
                headers[hdrs.ETAG] = f'"{version}"'
        if row.many:
            if cursor := getattr(answer, "next_cursor", None):
                following = request.rel_url.update_query(cursor=cursor)
                headers["Link"] = f'<{following}>; rel="next"'
                if cursor.isascii() and cursor.isprintable():  # a host's may be any text
                    headers["X-Next-Cursor"] = cursor
            headers.update(approximate(answer))
            body = await _encode(backend, row, question, answer)
        else:
            for_reader = row.method == hdrs.METH_GET
            body = await backend.slices.run(dumping(answer), for_reader=for_reader)
        if question.coding.applies(len(body)):
            body = await compressed(body, question.coding.name)
            headers["Content-Encoding"] = question.coding.name
        status = row.status if getattr(answer, "new", True) else HTTPStatus.OK
        if row.located and status == HTTPStatus.CREATED and "id" in answer:
            made = quote(str(answer["id"]), safe=":@!$&'()*+,;=")
            headers[hdrs.LOCATION] = f"{request.rel_url.raw_path}/{made}{_place(answer, caller)}"
        return web.Response(body=body, status=status, headers=headers)

    return handle


def _raw(handler: RawHandler, row: Row) -> RawHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.rel_url.raw_query_string:
            if row.form is not None:  # RFC 6749, section 5.2, has no 422
                raise Problem(
                    BAD_REQUEST,
                    "Send the parameters as a form in the body. Logs and caches keep a URL.",
                )
            raise ValidationProblem(
                [{"parameter": name, "detail": "Unknown parameter."} for name in request.query]
                or [{"parameter": "", "detail": "This path takes no parameters."}]
            )
        return await handler(request)

    return handle


async def _answer(handler: Handler, call: Call) -> Any:
    try:
        return await handler(call)
    finally:
        if call.body is not None:
            await call.slices.run(releasing(call.body))


async def _encode(backend: Backend, row: Row, question: Question, rows: Rows) -> bytes:
    if question.format == "json":
        return await backend.slices.run(dumping_rows(rows), for_reader=True)

    def work() -> bytes:
        spreadsheet = question.spreadsheet
        encode = encoder(question.format, row, question.values, spreadsheet=spreadsheet)
        return paced(whole(encode, rows))

    return await asyncio.to_thread(work)


def _place(record: Mapping[str, Any], caller: Caller) -> str:
    """The query that names the book of a record, unless the caller means it anyway."""
    book = record.get("book")
    return "" if book in (None, caller.home) else f"?book={book}"


def _path(request: web.Request) -> dict[str, str]:
    variables = dict(request.match_info)
    for value in variables.values():
        if "\x00" in value or len(value) > MAX_PATH_VARIABLE:
            raise Problem(NOT_FOUND, "Nothing can have this name.")
    return variables
