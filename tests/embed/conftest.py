"""Fixtures that several files of this folder use."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.embed.process_dashboard import ProcessDashboard, ProcessFeed
from tests.embedding import (
    settled,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessDashboard]:
    """A dashboard for tests that leave it as it was, but for records."""
    path = tmp_path_factory.mktemp("process") / "test.db"
    config = Config(port=0, database=DatabaseConfig(url=f"sqlite:///{path}"))
    dashboard = Dashboard.in_process(config, first_user=False)
    with dashboard:
        yield dashboard


@pytest.fixture
def feed(running: ProcessDashboard) -> ProcessFeed:
    settled(running.feed)
    return running.feed


@pytest.fixture
def no_thread_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread of a dashboard stays, and none ends with a traceback."""
    crashed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", crashed.append)
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("alphapulse")] == []
    assert crashed == []
