"""What a notebook shows of a dashboard: links that work, as text, and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.request import urlopen

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import AuthConfig, ConsoleConfig, DocsConfig
from alphapulse_api.embed.addresses import Addresses, as_html

SECRET = "0123456789abcdef0123456789abcdef"
OUTSIDE = pytest.mark.parametrize("way", ["in_process", "in_thread"])


class Links(HTMLParser):
    """The links and the text of a fragment."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a":
            self.attributes.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def urls(self) -> list[str | None]:
        return [attributes["href"] for attributes in self.attributes]


@contextmanager
def started(way: str, config: Config) -> Iterator[tuple[Any, Any]]:
    """A dashboard outside the loop, and its feed."""
    dashboard = getattr(Dashboard, way)(config)
    with dashboard as feed:
        yield dashboard, feed


@OUTSIDE
def test_a_notebook_shows_links_that_work(way: str, config: Config) -> None:
    config = replace(config, auth=AuthConfig(jwt_secret=SECRET))
    with started(way, config) as (dashboard, feed):
        for shown in (dashboard, feed):
            html = shown._repr_html_()
            links = Links(html)
            assert links.urls == [
                feed.url, f"{feed.url}/console/", f"{feed.url}/docs", f"{feed.url}/readyz",
            ]  # fmt: skip
            assert {a["target"] for a in links.attributes} == {"_blank"}
            assert {a["rel"] for a in links.attributes} == {"noopener noreferrer"}
            assert links.tags == {"div", "strong", "br", "a"}
            assert SECRET not in html
            assert os.environ["AP_ADMIN_PASSWORD"] not in html
        assert repr(dashboard) == f"<{type(dashboard).__name__} {feed.url}>"
        for url in links.urls[1:]:
            with urlopen(str(url)) as answer:
                assert answer.status == 200


@OUTSIDE
def test_what_does_not_serve_has_no_links(way: str, config: Config) -> None:
    with started(way, config) as (dashboard, feed):
        pass
    for shown, text in ((dashboard, "not started"), (feed, "closed")):
        links = Links(shown._repr_html_())
        assert links.urls == []
        assert text in links.text
    feeding = getattr(Dashboard, way)(config, serve=False)
    with feeding as feed:
        for shown in (feeding, feed):
            assert Links(shown._repr_html_()).urls == []
        assert repr(feeding) == f"<{type(feeding).__name__} started, not serving>"


@OUTSIDE
def test_what_is_switched_off_is_not_linked(way: str, config: Config) -> None:
    config = replace(config, console=ConsoleConfig(enabled=False), docs=DocsConfig(enabled=False))
    with started(way, config) as (dashboard, feed):
        assert Links(dashboard._repr_html_()).urls == [feed.url, f"{feed.url}/readyz"]
        assert feed.console_url is None


async def test_a_dashboard_in_the_loop_shows_its_links(config: Config) -> None:
    dashboard = Dashboard(replace(config, base_path="/desk"))
    assert Links(dashboard._repr_html_()).urls == []
    async with dashboard:
        assert Links(dashboard._repr_html_()).urls == [
            dashboard.url, f"{dashboard.url}/console/", f"{dashboard.url}/docs",
            f"{dashboard.url}/readyz",
        ]  # fmt: skip
    assert Links(dashboard._repr_html_()).urls == []


def test_names_and_urls_stay_text() -> None:
    hostile = "\"'><script>alert(1)</script>&amp;"
    links = Links(as_html(hostile, hostile, Addresses(hostile, hostile, hostile)))
    assert links.tags == {"div", "strong", "br", "a"}
    assert {key for a in links.attributes for key in a} == {"href", "target", "rel"}
    assert links.urls == [hostile, hostile, hostile, f"{hostile}/readyz"]
    assert hostile in links.text
    assert Links(as_html(hostile, hostile, None)).tags == {"div", "strong"}
