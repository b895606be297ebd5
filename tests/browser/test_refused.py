"""A proxy that hides the browser's Host: the page works, but for its socket, and says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.conftest import PASSWORD
from tests.proxy import CHUNK, Proxy

if TYPE_CHECKING:
    from tests.browser.conftest import Opener


class HidingProxy(Proxy):
    """Gives the server a Host of its own, as `proxy_pass` does in nginx by default."""

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None = None
    ) -> None:
        browsers = f"Host: {self.url.removeprefix('http://')}\r\n".encode()
        while data := await reader.read(CHUNK):
            writer.write(data.replace(browsers, b"Host: upstream\r\n"))
            await writer.drain()


@contextmanager
def hiding(target: str) -> Iterator[str]:
    """Such a proxy before the server, in a thread."""
    proxy = HidingProxy(target)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.open(), loop).result(10)
        yield proxy.url
        asyncio.run_coroutine_threadsafe(proxy.close(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.parametrize("desk", [{"allowed_hosts": ("upstream",)}], indirect=True)
def test_the_page_says_why_its_socket_may_be_refused(
    desk: ThreadFeed, open_console: Opener
) -> None:
    open_console.forgive("WebSocket connection to")
    with hiding(desk.url) as url:
        page = open_console(url)
        page.login("vera", PASSWORD)
        page.until(lambda: page.count("#refused:not([hidden])"), "the reason")
        assert "Host" in page.text("#refused")
        open_console.leave()


def test_a_page_that_is_live_says_nothing(desk: ThreadFeed, open_console: Opener) -> None:
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until_live()
    assert page.count("#refused[hidden]")
