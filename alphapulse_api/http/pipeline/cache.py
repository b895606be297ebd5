"""The cache of answers to GETs: lookup, coalesced computations, conditional requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND
from alphapulse_api.cache import Entry, Version, etag_of
from alphapulse_api.domain.tags import tag_of_filters
from alphapulse_api.http.pipeline.conditions import answer
from alphapulse_api.http.pipeline.fast_path import FAST_PATH
from alphapulse_api.http.pipeline.headers import VARY
from alphapulse_api.http.pipeline.viewing import view_of
from alphapulse_api.http.query import QUESTION, QUESTIONS
from alphapulse_api.http.route import CHANGES_IN, OF_BOOK, ROWS, VERSION, Row
from alphapulse_api.log.joint import stream_cursor
from alphapulse_api.runtime.slices import ON_LOOP_BYTES
from alphapulse_api.view import View

# For past ranges too: a late write into one must be visible at once.
CONTROL: Final = "private, no-cache"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def cache(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a GET from the cache if possible."""
    app = request.app
    row = app[ROWS].get(request.match_info.route)
    if row is None or row.raw is not None or row.method != hdrs.METH_GET:
        return await handler(request)
    backend = app[BACKEND]
    question = request[QUESTION] = app[QUESTIONS].ask(row, request)
    if question.export:
        return await handler(request)
    config = backend.config.cache
    # Only lists of rows in a range can be settled: agents and the portfolio show the present state.
    past = row.pages and row.range_of_rows and question.settled
    fresh_for = config.history_ttl if past else config.default_ttl
    view = await view_of(request, row, question)
    tag = _tag(row, request, view)
    if tag is None:
        return _answer(request, await _compute(request, handler), "BYPASS")
    # Read before the lookup: a write invalidates before its event is published, in any process, so
    # an answer that is found now contains every event up to this cursor.
    cursor = None if row.channel is None else stream_cursor(backend.events, row.channel)
    key = (request.rel_url.raw_path, question.normal, question.format, view.key)
    look = partial(backend.cache.look, tag, key)
    version, entry = await look()
    if entry is not None:
        # With the present cursor, not the stored one: the log may have evicted that position since.
        app[FAST_PATH].learn(request, tag, key, row.channel, entry)
        return _answer(request, entry, "HIT", cursor)

    async def compute(version: Version | None) -> Entry:
        computed = await _compute(request, handler)
        if version is not None:
            seconds = fresh_for
            if (changes_in := request.get(CHANGES_IN)) is not None:
                seconds = min(seconds, changes_in - (time.time() - computed.read_at))
            await backend.cache.put(tag, key, version, computed, seconds)
        return computed

    if config.max_staleness and (outdated := await backend.cache.outdated(key)) is not None:
        age = time.time() - outdated.read_at
        if age <= config.max_staleness:
            backend.answers.begin(key, version, look, compute)
            return _answer(request, outdated, "STALE", age=age)
    entry = await backend.answers.get(key, version, look, compute)
    await backend.turns.take()  # many requests may have waited for this answer
    return _answer(request, entry, "BYPASS" if version is None else "MISS")


def _tag(row: Row, request: web.Request, view: View) -> str | None:
    """The resource that the answer depends on; None if it must not come from the cache."""
    if row.resource is None or "no-cache" in request.headers.get(hdrs.CACHE_CONTROL, "").lower():
        return None
    # A host's own objects change without an event that would invalidate the answer.
    if not request.app[BACKEND].views.managed(row.tag):
        return None
    book = view.only_book(row.tag)
    if "{" in row.resource:
        resource = row.resource if book is not None else row.resource.replace(OF_BOOK, "")
        return resource.format_map({**request.match_info, "book": book})
    return tag_of_filters(row.resource, book, request[QUESTION].values if row.narrowed else {})


async def _compute(request: web.Request, handler: Handler) -> Entry:
    read_at = time.time()
    response = await handler(request)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    body = response.body
    # Hashing releases the interpreter lock.
    version = request.get(VERSION)
    if len(body) <= ON_LOOP_BYTES:
        etag = etag_of(body, version)
    else:
        etag = await asyncio.to_thread(etag_of, body, version)
    headers = response.headers.copy()
    headers.update({"ETag": etag, "Cache-Control": CONTROL, "Vary": VARY})
    return Entry(body, etag, headers, read_at)


def _answer(
    request: web.Request,
    entry: Entry,
    state: str,
    cursor: str | None = None,
    age: float | None = None,
) -> web.Response:
    request.app[BACKEND].monitor.answers[state] += 1
    headers = entry.headers.copy()
    headers["X-Cache"] = state
    if cursor is not None:
        headers["X-Stream-Cursor"] = cursor
    if age is not None:
        headers["Age"] = str(max(0, round(age)))
    return answer(request, entry.body, entry.etag, headers)
