"""Rows of the outbox in an event log: appended once, whole and in order."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.times import to_micros
from alphapulse_api.log import Event
from alphapulse_api.log.redis import log as redis_module
from tests.event_logs import LogFollower, ids, row, trades
from tests.log.conftest import Open


async def test_a_row_is_appended_once_whoever_relays_it(open_log: Open) -> None:
    log = await open_log()
    follower = LogFollower(log)
    await log.relay([row("a", 1), row("b", 2, 3), row("a", 1)])
    await log.relay([row("b", 2, 3), row("c", 4)])
    await log.append("trades", trades(1, 1))  # a host's own store says itself what is new
    await follower.expect("1", "2", "3", "4", "1", "1")


async def test_a_long_row_is_appended_whole_and_once(open_log: Open) -> None:
    log = await open_log()
    follower, numbers = LogFollower(log), [str(n) for n in range(2500)]
    for _ in range(2):
        await log.relay([row("a", *numbers)])
    await log.relay([row("b", "end")])
    await follower.expect(*numbers, "end")


async def test_rows_of_several_channels_are_appended_in_their_order(open_log: Open) -> None:
    log = await open_log()
    follower = LogFollower(log)
    await log.relay([row("a", 1), row("b", 2, channel="alerts"), row("c", 3)])
    await follower.expect("2", channel="alerts")
    await follower.expect("1", "3")


async def test_ids_of_rows_are_remembered_as_long_as_events(
    open_log: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "BEHIND_EVENTS", 0)
    log = await open_log(size=10)
    follower = LogFollower(log)
    for n in range(40):
        await log.relay([row(str(n), n)])
        await log.relay([row(str(max(0, n - 9)), max(0, n - 9))])
    await follower.expect(*map(str, range(40)))


async def test_a_gap_is_handed_to_everyone_in_its_order(open_log: Open) -> None:
    log = await open_log()
    follower = LogFollower(log)
    await log.relay([row("a", 1)])
    before = log.cursor("trades")
    await log.gap("trades")
    await log.relay([row("b", 2)])
    await follower.expect("1", "gap", "2")
    assert log.since("trades", before) is None
    assert ids(log.since("trades", follower.cursors()[1])) == ["2"]


def rows(**fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row as the store gives it, and as it is read back from JSON."""
    return fields, json.loads(dumps(fields))


@pytest.mark.parametrize("micros", [0, 1, 500_000])
def test_the_identity_of_an_event_is_the_same_in_either_form(micros: int) -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, micros, tzinfo=UTC)
    point, point_read = rows(metric_type="risk", name="var", labels={"a": "b"}, timestamp=at)
    assert CHANNELS["metrics"].identity(point) == CHANNELS["metrics"].identity(point_read)
    conflate = CHANNELS["metrics"].conflate
    assert conflate is not None
    assert conflate(point) == conflate(point_read)
    later = at.replace(second=1)
    stages = [
        CHANNELS["portfolio"].identity(row)[1]
        for row in (*rows(as_of=at, total_value=Decimal(1)), *rows(as_of=later))
    ]
    assert stages == [to_micros(at), to_micros(at), to_micros(later), to_micros(later)]
    assert stages[1] < stages[2]
    assert stages[0] < stages[3]


def test_an_event_may_bring_its_json_along() -> None:
    event = Event(CHANNELS["trades"], 1, "c-1", {"id": "1"}, b'{"id":"1"}')
    assert event.text == Event(CHANNELS["trades"], 1, "c-1", {"id": "1"}).text
