"""Adapters against the libraries they are for: collected by `-m adapters` alone.

Every test imports its library plainly, so that one that is not installed is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.viewer import Viewer
from tests.conftest import PASSWORD


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Without `-m adapters` the libraries may be missing, and importing them takes seconds."""
    return None if config.option.markexpr == "adapters" else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/adapters/" in item.path.as_posix():
            item.add_marker(pytest.mark.adapters)


@pytest.fixture
def feed(config: Config, request: pytest.FixtureRequest) -> Iterator[HostFeed]:
    """The feed of a dashboard in a thread, or as `hosts.EVERY_HOST` says."""
    with getattr(Dashboard, getattr(request, "param", "in_thread"))(config) as feed:
        yield feed


@pytest.fixture
def viewer(feed: HostFeed) -> Viewer:
    """Reads that dashboard."""
    return Viewer(feed.url)


@pytest.fixture
def client(feed: HostFeed) -> Iterator[SyncDashboardClient]:
    """A synchronous client of that dashboard."""
    with SyncDashboardClient(feed.url, username="admin", password=PASSWORD) as client:
        yield client


@pytest.fixture
def sink(request: pytest.FixtureRequest) -> Any:
    """The feed or the client, as `hosts.EVERY_SINK` says."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of every engine of nautilus_trader, which sets its log up once in a process."""
    return tmp_path_factory.mktemp("nautilus") / "engine.json"
