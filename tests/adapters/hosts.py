"""The ways of embedding that an adapter is tested with."""

from __future__ import annotations

import pytest

# The fixture `feed` of a test is that of a dashboard in a process, and that of one in a thread.
EVERY_HOST = pytest.mark.parametrize("feed", ["in_process", "in_thread"], indirect=True)
