"""kill -9 of the dashboard's process: what its host was promised is stored, once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alphapulse_api import Config, Dashboard
from tests.embedding import killed_under_load


def test_nothing_is_lost_or_doubled_by_three_kills(config: Config, tmp_path: Path) -> None:
    dashboard = Dashboard.in_process(config, serve=False, timeout=None)
    killed_under_load(dashboard, tmp_path / "test.db", 3)


@pytest.mark.kills
@pytest.mark.timeout(1800)
def test_nothing_is_lost_or_doubled_by_a_hundred_kills(config: Config, tmp_path: Path) -> None:
    serving = replace(config, shutdown_timeout=30.0)
    dashboard = Dashboard.in_process(serving, timeout=None)
    killed_under_load(dashboard, tmp_path / "test.db", 100)
