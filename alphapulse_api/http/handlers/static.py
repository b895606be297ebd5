"""Files of the installation: compressed, conditional, with a Content-Security-Policy."""

from __future__ import annotations

from functools import partial
from pathlib import PurePath
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict

from alphapulse_api.backend import BACKEND
from alphapulse_api.cache import Entry, SingleFlight, etag_of
from alphapulse_api.http.compression import coding_of, compressed
from alphapulse_api.http.pipeline.conditions import answer

# `mimetypes` is not used: its answer depends on the system's registry.
CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".woff2": "font/woff2",
}
# A file is compressed once per process, so a high level pays off on every transfer: plotly.js is
# 1.67 MB at zstd's level 1, 1.29 MB at level 9 after 0.2 s, and 1.18 MB at level 19 after 3.5 s.
LEVEL: Final = 9
REVALIDATE: Final = "no-cache"
FOREVER: Final = "public, max-age=31536000, immutable"


class StaticFile:
    """Bytes that never change, and their compressed forms, each made when first asked for."""

    __slots__ = ("_body", "_content_type", "_forms")

    def __init__(self, name: str, body: bytes) -> None:
        self._body = body
        self._content_type = CONTENT_TYPES[PurePath(name).suffix]
        self._forms: dict[str, Entry] = {}

    async def form(self, accept_encoding: str | None, single_flight: SingleFlight) -> Entry:
        """The form that an Accept-Encoding header asks for.

        Raises:
            Problem: 406, if it refuses every form that the server has.
        """
        coding = coding_of(accept_encoding)
        name = coding.name if coding.applies(len(self._body)) else ""
        found = self._forms.get(name)
        if found is None:
            made = await single_flight.once((self, name), partial(self._make, name))
            found = self._forms.setdefault(name, made)
        return found

    async def _make(self, coding: str) -> Entry:
        headers = CIMultiDict({hdrs.CONTENT_TYPE: self._content_type})
        body = self._body
        if coding:
            body = await compressed(body, coding, LEVEL)
            headers[hdrs.CONTENT_ENCODING] = coding
        return Entry(body, etag_of(body), headers)


async def answer_file(
    request: web.Request, file: StaticFile, *, policy: str, control: str = REVALIDATE
) -> web.Response:
    """Answer a GET of the file.

    Args:
        policy: Content-Security-Policy.
        control: Cache-Control.

    Raises:
        Problem: 406, if the client accepts no form of the file that the server has.
    """
    single_flight = request.app[BACKEND].single_flight
    entry = await file.form(request.headers.get(hdrs.ACCEPT_ENCODING), single_flight)
    headers = entry.headers.copy()
    headers.update(
        {
            hdrs.ETAG: entry.etag,
            hdrs.CACHE_CONTROL: control,
            hdrs.VARY: "Accept-Encoding, Origin",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
        }
    )
    return answer(request, entry.body, entry.etag, headers)
