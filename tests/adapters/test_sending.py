"""What an engine notices of a dashboard that takes no records."""

from __future__ import annotations

from typing import Any

from alphapulse_api.adapters.sending import Sender
from alphapulse_api.domain.errors import Unavailable


class FullFeed:
    """A feed without room in its queue, while `full`; it keeps how long calls would wait."""

    def __init__(self) -> None:
        self.full = True
        self.timeouts: list[float] = []

    def record_trade(self, trade: Any, *, wait: bool, timeout: float) -> int:
        self.timeouts.append(timeout)
        if self.full:
            raise Unavailable("too many records wait")
        return 1


def test_after_a_failure_no_call_waits_until_one_succeeds() -> None:
    feed = FullFeed()
    sender = Sender(feed, lambda line: None)  # type: ignore[arg-type]
    sender.patience = 60.0
    for full in (True, True, True, False, False):
        feed.full = full
        sender.send("record_trade", {})
    assert feed.timeouts == [60.0, 0.0, 0.0, 0.0, 60.0]
    assert sender.failed == 3


def test_a_failure_is_logged_when_it_begins() -> None:
    feed = FullFeed()
    lines: list[str] = []
    sender = Sender(feed, lines.append)  # type: ignore[arg-type]
    for full in (True, True, False, True):
        feed.full = full
        sender.send("record_trade", {})
    assert len(lines) == 2
    assert lines[0].startswith("The dashboard does not get every record: ")


def test_a_fault_in_a_handler_does_not_reach_the_engine() -> None:
    sender = Sender(FullFeed(), lambda line: None)  # type: ignore[arg-type]
    with sender.guarded():
        raise KeyError("a status that is not known")
    assert sender.failed == 1
