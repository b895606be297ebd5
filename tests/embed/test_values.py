"""Values of every class that trading code has, handed to a dashboard outside the host's loop."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from alphapulse_api import Config
from alphapulse_api.config import DatabaseConfig
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.embed.calls import Call, instant
from alphapulse_api.embed.faults import rebuilt
from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.embed.frames import FrameReader, Kind, body_of, chunks_of, frame, loads
from alphapulse_api.embed.intake import Intake
from tests.asking import TRADE
from tests.embed.test_handing_over import WAYS
from tests.embedding import settled
from tests.integration.test_values import HORIZONS, TRADES, trade
from tests.waiting import SECONDS

NEW_YORK = ZoneInfo("America/New_York")


class Moment(datetime):
    """A host's own class of times, as libraries of dates have it."""


class Day(date):
    """A host's own class of dates."""


class Price(Decimal):
    """A host's own class of numbers."""


class Hours(timedelta):
    """A host's own class of durations."""


class Nowhere(tzinfo):
    """A zone that has no offset."""

    def utcoffset(self, when: datetime | None) -> None:
        return None

    def dst(self, when: datetime | None) -> None:
        return None

    def tzname(self, when: datetime | None) -> None:
        return None


NOON = datetime(2026, 1, 31, 12, tzinfo=NEW_YORK).astimezone(UTC)
# (field, given, stored) where the configuration's zone is New York's.
OWN: list[tuple[str, Any, Any]] = [
    ("executed_at", pd.Timestamp("2026-01-31 12:00"), NOON),
    ("executed_at", datetime(2026, 1, 31, 12), NOON),  # noqa: DTZ001
    ("executed_at", Moment(2026, 1, 31, 12), NOON),
    ("executed_at", Moment(2026, 1, 31, 12, tzinfo=NEW_YORK), NOON),
    ("executed_at", datetime(2026, 1, 31, 12, tzinfo=Nowhere()), NOON),
    ("executed_at", datetime(2026, 1, 31, 17, tzinfo=timezone(Hours(0), "Here")), NOON),
    ("executed_at", Day(2026, 1, 31), NOON - timedelta(hours=12)),
    ("price", Price("10.50"), Decimal("10.50")),
    ("metadata", {"day": Day(2026, 1, 31)}, {"day": "2026-01-31"}),
    ("metadata", {"at": pd.Timestamp("2026-01-31 12:00")}, {"at": "2026-01-31T17:00:00.000000Z"}),
]  # fmt: skip
LAST = datetime.max.replace(tzinfo=NEW_YORK)  # in UTC it is in the year 10000
OUTSIDE = "is outside the years 1 to 9999"
# (field, given, what the refusal says)
WRONG: list[tuple[str, Any, str]] = [
    ("executed_at", LAST, OUTSIDE),
    ("executed_at", pd.Timestamp(LAST), OUTSIDE),
    ("executed_at", datetime.min.replace(tzinfo=ZoneInfo("Asia/Tokyo")), OUTSIDE),
    ("executed_at", timedelta(1), "/executed_at: Not a time but a datetime.timedelta: give a date"),
    ("symbol", LAST, "Not text but a datetime.datetime"),
    ("symbol", Nowhere(), r"Not text but a tests\.embed\.test_values\.Nowhere"),
    ("quantity", Nowhere(), r"Not a decimal number but a tests\.embed\.test_values\.Nowhere"),
    ("metadata", {"a": [1, {"b": LAST}]}, f"/metadata/a/1/b: The time {OUTSIDE}"),
    ("metadata", {"a": Nowhere()}, r"/metadata/a: Not a JSON value but a tests\.embed"),
    ("metadata", {"times": [NOON.astimezone(NEW_YORK)] * 10_001}, "/metadata"),
]  # fmt: skip


@pytest.fixture(scope="module", params=list(WAYS))
def feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path: Path = tmp_path_factory.mktemp(request.param) / "test.db"
    config = Config(
        port=0,
        timezone="America/New_York",
        database=DatabaseConfig(url=f"sqlite:///{path}"),
    )
    with WAYS[request.param](config, serve=False) as running:
        yield running


@pytest.mark.parametrize(("field", "given", "stored"), [*TRADES, *OWN])
def test_a_value_means_the_same_whatever_its_class(
    feed: HostFeed, field: str, given: Any, stored: Any
) -> None:
    if type(given) is date:
        stored = stored.replace(hour=5) if field == "executed_at" else stored
    assert feed.record_trade(trade(field, given))[field] == stored


@pytest.mark.parametrize(("given", "stored"), [*HORIZONS, (Hours(hours=3), "PT3H")])
def test_a_horizon_may_be_a_length_of_time(feed: HostFeed, given: Any, stored: str) -> None:
    signal = {"symbol": "AAPL", "direction": "buy", "horizon": given}
    assert feed.record_signal("a", signal)["horizon"] == stored


@pytest.mark.parametrize(("field", "given", "reason"), WRONG)
def test_a_value_that_is_refused_costs_no_other_record(
    feed: HostFeed, field: str, given: Any, reason: str
) -> None:
    with pytest.raises(ValidationProblem, match=reason):
        feed.record_trade(trade(field, given))
    before = feed.stats()
    for record in (TRADE, trade(field, given), TRADE):
        assert feed.record_trade(record, wait=False) == 1
    settled(feed)
    after = feed.stats()
    assert (after.stored - before.stored, after.refused - before.refused) == (2, 1)
    assert after.restarts == 0


@pytest.mark.parametrize("id_", [UUID(int=7), 7, np.int64(8), np.str_("nine"), np.array("ten")])
def test_an_alert_is_changed_by_the_id_that_raised_it(feed: HostFeed, id_: Any) -> None:
    raised = feed.raise_alert({"id": id_, "title": "drawdown", "severity": "info"})["id"]
    acknowledged = feed.acknowledge_alert(id_, np.str_("ann"))
    assert (acknowledged["id"], acknowledged["acknowledged_by"]) == (raised, "ann")
    assert feed.resolve_alert(id_)["id"] == raised


@pytest.mark.parametrize("id_", [7.5, True, None, math.nan, ["nine"]])
def test_what_is_no_id_names_nothing(feed: HostFeed, id_: Any) -> None:
    for call, field in (
        (lambda: feed.acknowledge_alert(id_, "ann"), "/id"),
        (lambda: feed.resolve_alert(id_), "/id"),
        (lambda: feed.update_agent(id_, {"state": "active"}), "/agent_id"),
        (lambda: feed.record_signal(id_, {"symbol": "AAPL", "direction": "buy"}), "/agent_id"),
        (lambda: feed.open_book(id_, mode="paper"), "/book"),
    ):
        with pytest.raises(ValidationProblem, match=field):
            call()


class NoFeed:
    """Stands in for a feed that stores one trade."""

    async def record_trade(self, record: Any) -> dict[str, Any]:
        return dict(record)


async def test_a_call_that_cannot_be_read_is_refused_and_ends_nothing() -> None:
    host, process = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=process)
    intake = Intake(NoFeed(), dict, writer)  # type: ignore[arg-type]
    call = Call("record_trade", instant(), [dict(TRADE)])
    with host:
        running = asyncio.create_task(intake.run(reader, FrameReader(), asyncio.Event()))
        host.sendall(frame(Kind.CALL, 1, body_of([b"no pickle"])))
        host.sendall(frame(Kind.CALL, 2, call.encode()))
        host.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(SECONDS):
            await running
        writer.close()
        refused, stored = FrameReader().feed(host.recv(1 << 16))
    assert (refused.kind, refused.number) == (Kind.ERROR, 1)
    error = rebuilt(loads(next(chunks_of(refused.body))))
    assert isinstance(error, ValidationProblem)
    assert (stored.kind, stored.number) == (Kind.RESULT, 2)
