"""Rules on a running server, for tests: requests, points, and the alerts that come of them."""

from __future__ import annotations

from typing import Any, Final

from tests.conftest import Server
from tests.waiting import until

RULE: Final[dict[str, Any]] = {
    "id": "drawdown",
    "name": "Drawdown",
    "metric_type": "risk",
    "metric_name": "drawdown",
    "operator": ">",
    "threshold": 10,
}


def point(value: float | None, name: str = "drawdown", **labels: str) -> dict[str, Any]:
    """A point of type "risk", now."""
    return {"metric_type": "risk", "name": name, "value": value, "labels": labels}


async def post(server: Server, path: str, body: Any, headers: dict[str, str]) -> Any:
    """The content of a successful answer."""
    async with server.request("POST", path, json=body, headers=headers) as response:
        assert response.status in (200, 201), await response.text()
        return await response.json()


async def alerts(server: Server, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    """The alerts of rules, the newest first."""
    found: list[dict[str, Any]] = await server.json("/api/alerts", headers, source="rules", **query)
    return found


async def until_alerts(
    server: Server, headers: dict[str, str], count: int, **query: Any
) -> list[dict[str, Any]]:
    """Wait until there are exactly so many alerts of rules, and return them."""

    async def reached() -> bool:
        return len(await alerts(server, headers, **query)) == count

    await until(reached)
    return await alerts(server, headers, **query)


async def rule_in_state(
    server: Server, headers: dict[str, str], state: str, rule_id: str = "drawdown"
) -> dict[str, Any]:
    """A rule once it is in a state: its cached answer may be a moment older than its alert."""
    shown: dict[str, Any] = {}

    async def look() -> bool:
        shown.update(await server.json(f"/api/rules/{rule_id}", headers))
        return bool(shown["state"] == state)

    await until(look)
    return shown
