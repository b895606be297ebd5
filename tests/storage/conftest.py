"""Fixtures that several files of this folder use."""

from __future__ import annotations

import pytest

from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.engine import Engine


@pytest.fixture
def store(engine: Engine) -> Accessors:
    return Accessors(engine, 300, {})
