"""Everything that matches, streamed in constant memory.

Rows are read in pages, which are bounded in rows and in bytes. Each page is encoded and sent in
parts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web

from alphapulse_api.auth.authenticator import BadCredentials
from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.times import rfc3339
from alphapulse_api.http.codecs.formats import PART_BYTES, Encoder, Rows, approximate, encoder
from alphapulse_api.http.compression import Coding, compressor
from alphapulse_api.http.large_body import write_pieces
from alphapulse_api.http.pipeline.headers import HEADERS
from alphapulse_api.http.query import Question
from alphapulse_api.http.route import Call, Handler, Row
from alphapulse_api.runtime.slices import paced
from alphapulse_api.storage.engine.long_reads import long_reads
from alphapulse_api.storage.page import parts
from alphapulse_api.storage.query import FIRST

logger = logging.getLogger(__name__)

# Rows read at a time. More would not be faster, and keep the interpreter lock of a host longer: the
# garbage collector looks at all rows that are alive.
EXPORT_ROWS: Final = 1000


async def export(
    request: web.Request, row: Row, call: Call, question: Question, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Send all rows; each page is read when the client has taken the one before.

    Args:
        question: has the format and the coding.
        headers: the headers of the answer.
    """
    handler = row.handler
    assert handler is not None
    query = dict(call.query)
    # A host's accessor returns all of its rows in one page.
    backend = request.app[BACKEND]
    if backend.views.managed(row.tag):
        query["limit"] = EXPORT_ROWS
        if "start_time" in row.query_schema.fields:
            query.setdefault("start_time", FIRST)  # all rows, not the default range of a page
    page = await _read(handler, call, query)
    # Rows are encoded on a thread: thousands of them take tens of milliseconds. The first part is
    # encoded before the status is sent, so that a failure is still answered as a problem.
    encode = await asyncio.to_thread(
        partial(encoder, question.format, row, query, spreadsheet=question.spreadsheet)
    )
    stream = _Stream(encode, question.coding)
    following = parts(page, PART_BYTES)
    first = await asyncio.to_thread(stream.part, next(following))
    early: dict[str, str] = request[HEADERS]
    response = web.StreamResponse(
        headers={**early, **headers, **stream.headers, **approximate(page), **covered(row, query)}
    )
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    try:
        await write_pieces(response.write, first)
        while True:
            for part in following:
                # A caller who may no longer read, or no longer the same books, gets no more rows.
                backend.authenticator.check(call.caller)
                await write_pieces(response.write, await asyncio.to_thread(stream.part, part))
            cursor = getattr(page, "next_cursor", None)
            if cursor is None:
                break
            del page, following  # free this page before the next one is read
            page = await _read(handler, call, {**query, "cursor": cursor})
            following = parts(page, PART_BYTES)
        await response.write(stream.end())
        await response.write_eof()
    except Exception as error:
        # The status has been sent: only an aborted connection can signal the failure.
        if not isinstance(error, ConnectionError | BadCredentials):
            logger.exception("an export failed")
        if request.transport is not None:
            request.transport.abort()
    return response


async def _read(handler: Handler, call: Call, query: Mapping[str, Any]) -> Rows:
    with long_reads():
        rows: Rows = await handler(replace(call, query=query))
    return rows


def covered(row: Row, query: Mapping[str, Any]) -> dict[str, str]:
    """The header with an export's range, as an ISO 8601-2 interval; ".." is an open end.

    For agents it is the range of their signals.
    """
    if "start_time" not in row.query_schema.fields:
        return {}
    start, end = query.get("start_time", FIRST), query.get("end_time")
    begin = ".." if start == FIRST else rfc3339(start)
    return {"X-Time-Range": f"{begin}/{'..' if end is None else rfc3339(end)}"}


class _Stream:
    """Encodes rows for the wire; a client can decode each part when it arrives."""

    def __init__(self, encode: Encoder, coding: Coding) -> None:
        self._encode = encode
        self._compress = compressor(coding.name) if coding.name else None
        self.headers = {"Content-Encoding": coding.name} if coding.name else {}

    def part(self, rows: Rows) -> bytes:
        """Encode rows, on a thread."""
        data = paced(self._encode.rows(rows))
        return data if self._compress is None else self._compress.piece(data)

    def end(self) -> bytes:
        data = self._encode.end()
        return data if self._compress is None else self._compress.piece(data) + self._compress.end()
