"""kill -9 of servers while points flow: the alerts are those of an oracle, on both engines."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import DashboardClient
from tests.integration.test_command_kills import PASSWORD, SERVER, Process, sections_of
from tests.waiting import until

SERIES = 10
KILLS = 6
LONGEST = 1.0  # seconds between a start and the next kill
LIMIT = 10.0
RULE = {
    "id": "r", "name": "R", "metric_type": "risk", "metric_name": "m",
    "operator": ">", "threshold": LIMIT, "title": "{labels.desk}",
}  # fmt: skip


async def prepared(sections: dict[str, Any]) -> None:
    """A user who may do everything, in a store with the rule."""
    async with Dashboard(Config.from_mapping(sections), serve=False) as dashboard:
        await dashboard.accounts.set_user("ann", "admin", PASSWORD)


class Feeder:
    """Sends one batch after the other, each with the next point of every series.

    Attributes:
        raised: the oracle: by series, the value of each point that rises above the limit.
        high: the series whose newest value is above the limit.
    """

    def __init__(self, clients: list[DashboardClient]) -> None:
        self._clients = cycle(clients)
        self._number = LIMIT
        self.raised: dict[str, list[float]] = defaultdict(list)
        self.high: set[str] = set()

    async def send(self) -> None:
        """Send one batch; it is stored when this returns."""
        at = datetime.now(UTC)
        batch = []
        for number in range(SERIES):
            desk = f"d{number}"
            self._number += 1  # no two values are equal, so each alert says which point raised it
            is_high = random.random() < 0.5
            value = self._number if is_high else -self._number
            if is_high and desk not in self.high:
                self.raised[desk].append(value)
            (self.high.add if is_high else self.high.discard)(desk)
            batch.append({
                "metric_type": "risk", "name": "m", "value": value, "timestamp": at,
                "labels": {"desk": desk},
            })  # fmt: skip
        await next(self._clients).record_metrics(batch)


async def alerts(client: DashboardClient, **query: Any) -> dict[str, list[float]]:
    """The values of the alerts, in order, by series."""
    found: dict[str, list[float]] = defaultdict(list)
    async for alert in client.alerts(source="rules", limit=1000, **query):
        found[alert["title"]].append(alert["metric_value"])
    return {desk: sorted(values) for desk, values in found.items()}


@pytest.mark.kills
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_alerts_of_rules_survive_kills(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    sections = {**await sections_of(kind, request, tmp_path), "rules": [RULE]}
    if kind == "postgres":
        redis_url = request.getfixturevalue("redis_url")
        sections["events"] = {"type": "redis", "redis_url": redis_url}
    await prepared(sections)
    servers: list[Process] = []
    clients: list[DashboardClient] = []
    stack = AsyncExitStack()
    for _ in range(2 if kind == "postgres" else 1):
        address = {"port": 0}
        server = Process(SERVER, lambda address=address: [json.dumps({**sections, **address})])
        url = await server.start()
        address["port"] = int(url.rpartition(":")[2])
        servers.append(server)
        client = DashboardClient(
            url, username="ann", password=PASSWORD, retries=30, rand=lambda: 0.05
        )
        clients.append(await stack.enter_async_context(client))
    feeder = Feeder(clients)

    async def kill() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0, LONGEST))
            server = random.choice(servers)
            await server.kill()
            await server.start()

    killing = asyncio.create_task(kill())
    try:
        while not killing.done():
            await feeder.send()
        await killing
        await until(lambda: _equal(clients[0], feeder))
    finally:
        killing.cancel()
        await asyncio.wait([killing])
        await stack.aclose()
        for server in servers:
            await server.kill()
    assert feeder.raised


async def _equal(client: DashboardClient, feeder: Feeder) -> bool:
    return (
        await alerts(client) == feeder.raised
        and (await alerts(client, status="active")).keys() == feeder.high
    )
