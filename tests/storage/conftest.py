"""Fixtures that several files of this folder use."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine
from tests.engines import connected, opened
from tests.old_schemas import Opening
from tests.postgres import Postgres


@pytest.fixture
def store(engine: Engine) -> Accessors:
    return Accessors(engine, 300, {})


@pytest.fixture(params=["sqlite", "postgres"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    """Opens one and the same database each time, on either engine."""
    if request.param == "sqlite":
        return lambda: opened(tmp_path / "store.db")
    server: Postgres = request.getfixturevalue("postgres")
    url = await server.new()
    return lambda: connected(url)
