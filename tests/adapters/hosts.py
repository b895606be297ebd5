"""The ways of embedding that an adapter is tested with."""

from __future__ import annotations

import pytest

# The fixture `feed` of a test is that of a dashboard in a process, and that of one in a thread.
EVERY_HOST = pytest.mark.parametrize("feed", ["in_process", "in_thread"], indirect=True)
# The fixture `sink` of a test is each of those feeds, and the synchronous client.
EVERY_SINK = pytest.mark.parametrize(
    ("feed", "sink"),
    [("in_process", "feed"), ("in_thread", "feed"), ("in_thread", "client")],
    indirect=True,
    ids=["in_process", "in_thread", "client"],
)
