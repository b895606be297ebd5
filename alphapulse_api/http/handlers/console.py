"""The console's page and its files, and the redirects to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND
from alphapulse_api.cache import SingleFlight
from alphapulse_api.console.files import PAGE, plotly_file, read_files
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.http.handlers.static import FOREVER, REVALIDATE, StaticFile, answer_file

NOT_INSTALLED: Final = (
    'The console is not installed: pip install "alphapulse-api[console]" and start again.'
)
# plotly.js puts <style> elements into the page, and makes images (data:, blob:) of its charts. It
# needs no style attributes and no eval, so those stay forbidden.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-elem 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Served(NamedTuple):
    """The files, ready to be sent."""

    version: str
    page: StaticFile
    assets: Mapping[str, StaticFile]


class Console:
    """The console of one application; its files are read when they are first asked for."""

    def __init__(self) -> None:
        self._plotly = plotly_file()
        self._served: Served | None = None

    @property
    def installed(self) -> bool:
        """Whether all files that it needs are installed."""
        return self._plotly is not None

    async def served(self, single_flight: SingleFlight) -> Served:
        """The files.

        Raises:
            NotFound: if the extra is not installed.
        """
        if self._served is None:
            self._served = await single_flight.once(self, self._read)
        return self._served

    async def _read(self) -> Served:
        if self._plotly is None:
            raise NotFound(NOT_INSTALLED)
        files = await asyncio.to_thread(read_files, self._plotly)
        assets = {name: StaticFile(name, body) for name, body in files.assets.items()}
        return Served(files.version, StaticFile(PAGE, files.page), assets)


CONSOLE: Final[web.AppKey[Console]] = web.AppKey("console", Console)


async def root(request: web.Request) -> web.StreamResponse:
    """To the console, where it is installed."""
    if not request.app[CONSOLE].installed:
        raise web.HTTPNotFound
    return _to_the_page()


async def folder(request: web.Request) -> web.StreamResponse:
    """Redirects to the console."""
    if not request.app[CONSOLE].installed:
        raise NotFound(NOT_INSTALLED)
    return _to_the_page()


async def page(request: web.Request) -> web.StreamResponse:
    """The console, a live page."""
    served = await _served(request)
    return await answer_file(request, served.page, policy=POLICY)


async def file(request: web.Request) -> web.StreamResponse:
    """A file of the console, as it is now."""
    return await _asset(request, await _served(request), REVALIDATE)


async def versioned_file(request: web.Request) -> web.StreamResponse:
    """A file of this version of the console, cacheable for ever."""
    served = await _served(request)
    if request.match_info["version"] != served.version:
        raise NotFound("This is not the version of the console that is served.")
    return await _asset(request, served, FOREVER)


async def _served(request: web.Request) -> Served:
    return await request.app[CONSOLE].served(request.app[BACKEND].single_flight)


async def _asset(request: web.Request, served: Served, control: str) -> web.Response:
    found = served.assets.get(request.match_info["file"])
    if found is None:
        raise NotFound("The console has no such file.")
    return await answer_file(request, found, policy=POLICY, control=control)


def _to_the_page() -> web.Response:
    # A relative path, so that it is correct below any prefix of a proxy or a host application.
    return web.Response(
        status=302,
        text="The console is at console/.\n",
        headers={hdrs.LOCATION: "console/", hdrs.CACHE_CONTROL: REVALIDATE},
    )
