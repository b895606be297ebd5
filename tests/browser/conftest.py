"""Browsers and servers for the console; skipped, with the reason, where there is no browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import RateLimitConfig
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.asking import PORTFOLIO
from tests.browser.accounts import add_users
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from tests.browser.page import Page

USERS = {"ada": "admin", "olga": "operator", "otto": "operator", "vera": "viewer"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browsers() -> Iterator[Callable[[int], Chrome]]:
    """The nth browser of this run, started when first wanted."""
    pytest.importorskip("selenium", reason='pip install ".[browser]"')
    from tests.browser.chromium import CHROMEDRIVER, CHROMIUM, chromium

    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("apt install chromium chromium-driver")
    with ExitStack() as stack:
        started: list[Chrome] = []

        def nth(number: int) -> Chrome:
            while len(started) <= number:
                started.append(stack.enter_context(chromium()))
            return started[number]

        yield nth


class Opener:
    """Opens the console in one browser after the other, and remembers what may go wrong there."""

    def __init__(self, browsers: Callable[[int], Chrome]) -> None:
        self._browsers = browsers
        self.pages: list[Page] = []
        self.forgiven: tuple[str, ...] = ()

    def __call__(self, url: str) -> Page:
        from tests.browser.page import Page

        page = Page(self._browsers(len(self.pages)), url)
        self.pages.append(page)
        return page

    def forgive(self, *words: str) -> None:
        """Faults on the console that hold one of these words belong to the test."""
        self.forgiven += words

    def leave(self) -> None:
        """Leave all pages: no browser may have complained of them, nor asked anybody else.

        For a test whose server ends before it does: a page that is left there would complain.
        """
        from tests.browser.chromium import console_faults, origins_asked

        pages, self.pages = self.pages, []
        for page in pages:
            faults = console_faults(page.driver)
            asked = origins_asked(page.driver)
            page.script("localStorage.clear()")  # another server may have this port
            page.driver.get("about:blank")
            console_faults(page.driver)
            origins_asked(page.driver)
            assert [f for f in faults if not any(word in f for word in self.forgiven)] == []
            assert asked == {urlsplit(page.url).netloc}


@pytest.fixture
def open_console(browsers: Callable[[int], Chrome]) -> Iterator[Opener]:
    """Open the console; what a browser complained of fails the test at its end."""
    opener = Opener(browsers)
    yield opener
    opener.leave()


@pytest.fixture
def desk(config: Config, request: pytest.FixtureRequest) -> Iterator[ThreadFeed]:
    """A dashboard with the usual limits and some users; its feed.

    Its parameter, if there is one, is what else is configured: sections by name.
    """
    sections = {"rate_limit": RateLimitConfig(), **getattr(request, "param", {})}
    config = replace(config, **sections)
    add_users(config, USERS, PASSWORD)
    with Dashboard.in_thread(config) as feed:
        feed.update_portfolio(PORTFOLIO)  # before there is one, the browser logs a 404
        yield feed
