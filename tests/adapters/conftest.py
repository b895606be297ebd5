"""Adapters against the libraries they are for: collected by `-m adapters` alone.

Every test imports its library plainly, so that one that is not installed is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.adapters.viewer import Viewer


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Without `-m adapters` the libraries may be missing, and importing them takes seconds."""
    return None if config.option.markexpr == "adapters" else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/adapters/" in item.path.as_posix():
            item.add_marker(pytest.mark.adapters)


@pytest.fixture
def feed(config: Config) -> Iterator[ThreadFeed]:
    """The feed of a dashboard in a thread."""
    with Dashboard.in_thread(config) as feed:
        yield feed


@pytest.fixture
def viewer(feed: ThreadFeed) -> Viewer:
    """Reads that dashboard."""
    return Viewer(feed.url)
