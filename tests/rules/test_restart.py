"""A restart or a take-over neither raises an alert twice nor forgets one, on both engines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import AuthConfig, DatabaseConfig, EventsConfig
from alphapulse_api.domain.times import now
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from tests.conftest import SECRET, Serve, Server
from tests.engines import connected, opened
from tests.postgres import Postgres
from tests.rules.ground import RULE, alerts, point, post, until_alerts
from tests.waiting import until

Start = Callable[[], Awaitable[Server]]
Store = Callable[[], AbstractAsyncContextManager[Engine]]
OTHER = {**RULE, "id": "other", "metric_name": "other"}


@pytest.fixture(params=["sqlite", "postgres"])
async def again(
    serve: Serve, tmp_path: Path, request: pytest.FixtureRequest
) -> tuple[Start, Store]:
    """What starts a server on the same store each time, and what opens the store by itself."""
    path = tmp_path / "rules.db"
    url = f"sqlite:///{path}"
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = await postgres.emptied()
    sections = {"database": DatabaseConfig(url=url), "auth": AuthConfig(jwt_secret=SECRET)}

    def store() -> Any:
        return connected(url) if request.param == "postgres" else opened(path)

    return lambda: serve(**sections), store


async def stop(server: Server) -> None:
    await server.dashboard.__aexit__(None, None, None)


async def store_points(store: Store, *values: float) -> None:
    """Store points while no server runs."""
    async with store() as engine:
        for value in values:
            given = {**point(value), "timestamp": now()}
            await MetricsDataAccessor(engine).add_points([given])


async def group_of(server: Server, admin: dict[str, str]) -> Any:
    """The only group of the rule that is pending or firing; None if there is none."""
    groups = (await server.json("/api/rules/drawdown", admin))["groups"]
    return groups[0] if groups else None


async def test_pending_continues_where_it_was(again: tuple[Start, Store]) -> None:
    start, _ = again
    first = await start()
    admin = await first.login()
    await post(first, "/api/rules", {**RULE, "for": "1h"}, admin)
    await post(first, "/api/rules", OTHER, admin)
    await first.feed.record_metrics([point(12)])
    await until(lambda: group_of(first, admin))
    pending = await group_of(first, admin)
    await stop(first)
    second = await start()
    admin = await second.login()
    await second.feed.record_metrics([point(13), point(12, "other")])
    await until_alerts(second, admin, 1)
    assert await group_of(second, admin) == pending
    assert pending["state"] == "pending"


async def test_a_pending_alert_fires_once_after_the_restart(again: tuple[Start, Store]) -> None:
    start, _ = again
    first = await start()
    admin = await first.login()
    await post(first, "/api/rules", {**RULE, "for": "2s"}, admin)
    await first.feed.record_metrics([point(12)])
    await stop(first)  # before the state that is pending was stored
    second = await start()
    admin = await second.login()
    await until_alerts(second, admin, 1)
    await second.feed.record_metrics([point(13)])
    await second.feed.record_metrics([point(1)])
    (alert,) = await until_alerts(second, admin, 1, status="resolved")
    assert alert["metric_value"] == 12
    assert len(await alerts(second, admin)) == 1


async def test_an_alert_that_is_raised_stays_one(again: tuple[Start, Store]) -> None:
    start, _ = again
    first = await start()
    admin = await first.login()
    await post(first, "/api/rules", RULE, admin)
    await first.feed.record_metrics([point(12)])
    await until_alerts(first, admin, 1)
    await stop(first)
    second = await start()
    admin = await second.login()
    for value in (13, 2):
        await second.feed.record_metrics([point(value)])
    (alert,) = await until_alerts(second, admin, 1, status="resolved")
    assert alert["metric_value"] == 12
    assert len(await alerts(second, admin)) == 1


async def test_an_alert_that_recovered_while_no_server_ran_is_resolved(
    again: tuple[Start, Store],
) -> None:
    start, store = again
    first = await start()
    admin = await first.login()
    await post(first, "/api/rules", RULE, admin)
    await first.feed.record_metrics([point(12)])
    await until_alerts(first, admin, 1)
    await stop(first)
    await store_points(store, 3)
    second = await start()
    admin = await second.login()
    await until_alerts(second, admin, 1, status="resolved")
    assert len(await alerts(second, admin)) == 1


async def test_what_was_not_evaluated_is_evaluated_after_the_restart(
    again: tuple[Start, Store],
) -> None:
    start, store = again
    first = await start()
    admin = await first.login()
    await post(first, "/api/rules", RULE, admin)
    await first.feed.record_metrics([point(12)])
    await until_alerts(first, admin, 1)
    await stop(first)
    await store_points(store, 3, 14, 4, 15)
    second = await start()
    admin = await second.login()
    found = await until_alerts(second, admin, 3)
    assert sorted(alert["metric_value"] for alert in found) == [12, 14, 15]
    await until_alerts(second, admin, 1, status="active")
    await stop(second)
    third = await start()
    admin = await third.login()
    await third.feed.record_metrics([point(5)])
    await until_alerts(third, admin, 3, status="resolved")
    assert len(await alerts(third, admin)) == 3


async def test_of_two_servers_one_evaluates_and_the_other_continues(
    serve: Serve, redis_url: str, shared_store: dict[str, Any]
) -> None:
    sections = {**shared_store, "events": EventsConfig(type="redis", redis_url=redis_url)}
    one = await serve(**sections)
    admin = await one.login()
    await post(one, "/api/rules", RULE, admin)
    await one.feed.record_metrics([point(11, desk="a")])
    await until_alerts(one, admin, 1)  # so this one has the lease
    two = await serve(**sections)
    await two.feed.record_metrics([point(12, desk="b")])
    await until_alerts(one, admin, 2)
    await stop(one)
    admin = await two.login()
    await two.feed.record_metrics([point(13, desk="c"), point(1, desk="a")])
    await two.feed.record_metrics([point(14, desk="b")])
    await until_alerts(two, admin, 1, status="resolved")
    found = await until_alerts(two, admin, 3)
    assert sorted(alert["metric_value"] for alert in found) == [11, 12, 13]
    assert (await two.json("/api/rules/drawdown", admin))["firing"] == 2
