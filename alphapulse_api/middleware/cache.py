"""Answers to GETs: looked up, computed once however many ask, made conditional.

A key holds the version of the resource as it was before the data were read (cache/base.py), so an
answer that a write overtook is stored where nobody looks any more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import hdrs, web
from multidict import CIMultiDict

from alphapulse_api.backend import Backend
from alphapulse_api.cache import Entry
from alphapulse_api.keys import BACKEND, QUESTION, QUESTIONS, ROWS
from alphapulse_api.routes.query import Question
from alphapulse_api.routes.row import Row

VARY = "Authorization, X-API-Key, Accept, Origin"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def cache(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a GET from memory if it can be."""
    row = request.app[ROWS].get(request.match_info.route)
    if row is None or row.raw is not None or row.method != hdrs.METH_GET:
        return await handler(request)
    backend = request.app[BACKEND]
    question = request[QUESTION] = request.app[QUESTIONS].ask(row, request)
    if question.export:
        return await handler(request)
    config = backend.config.cache
    fresh_for = config.history_ttl if question.settled else config.default_ttl
    control = f"private, max-age={fresh_for:.0f}" if question.settled else "private, no-cache"
    resource = _resource(row, request, question, backend)
    if resource is None:
        return _answer(request, await _compute(request, handler), control, "BYPASS")
    version = await backend.cache.version(resource)
    key = (request.rel_url.raw_path, question.normal, question.format, version)
    entry = await backend.cache.get(key)
    if entry is not None:
        return _answer(request, entry, control, "HIT")
    entry = await backend.flights.once(
        key, lambda: _compute_and_keep(request, handler, backend, key, fresh_for)
    )
    return _answer(request, entry, control, "MISS")


def _resource(row: Row, request: web.Request, question: Question, backend: Backend) -> str | None:
    """What the answer depends on; None if it must not come from the cache."""
    if row.resource is None or "no-cache" in request.headers.get(hdrs.CACHE_CONTROL, ""):
        return None
    # The host's own objects change without telling us; the current portfolio is always read.
    if row.tag in backend.accessors.replaced:
        return None
    if row.resource == "portfolio" and not question.values.get("include_history"):
        return None
    return row.resource.format_map(request.match_info)


async def _compute_and_keep(
    request: web.Request, handler: Handler, backend: Backend, key: Any, ttl: float
) -> Entry:
    entry = await _compute(request, handler)
    await backend.cache.put(key, entry, ttl)
    return entry


async def _compute(request: web.Request, handler: Handler) -> Entry:
    response = await handler(request)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    etag = f'"{hashlib.blake2b(response.body, digest_size=16).hexdigest()}"'
    return Entry(response.body, etag, dict(response.headers))


def _answer(request: web.Request, entry: Entry, control: str, state: str) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict(entry.headers)
    headers["ETag"] = entry.etag
    headers["Cache-Control"] = control
    headers["Vary"] = VARY
    headers["X-Cache"] = state
    if _unchanged(request.headers, entry.etag):
        del headers["Content-Type"]
        headers.pop("Content-Length", None)
        return web.Response(status=304, headers=headers)
    return web.Response(body=entry.body, headers=headers)


def _unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """RFC 9110, section 13.1.2: weak comparison."""
    condition = headers.get(hdrs.IF_NONE_MATCH)
    if condition is None:
        return False
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return any(tag in ("*", etag) for tag in tags)
