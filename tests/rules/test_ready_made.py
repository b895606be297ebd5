"""The ready-made rules: each fires, and all but those of silence recover, on what they watch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import Config
from alphapulse_api.rules.configured import configured_rules
from tests.conftest import Serve, Server
from tests.waiting import until

FILE = Path(__file__).parents[2] / "conf" / "rules.yaml"
SILENT = {"agent-silent", "portfolio-stale", "component-down"}


def portfolio(total: float, weight: float, at: datetime) -> dict[str, Any]:
    value = total * weight
    return {
        "total_value": total, "cash": total - value, "as_of": at,
        "positions": [{"symbol": "AAPL", "quantity": 1, "value": value, "weight": weight}],
    }  # fmt: skip


def sample(**metrics: float) -> dict[str, Any]:
    return {"component": "feed", "status": "healthy", "metrics": metrics}


async def feed(server: Server, name: str, bad: bool) -> None:
    """Write what lets a rule fire, or recover."""
    feed = server.feed
    match name:
        case "drawdown":
            value = 0.2 if bad else 0.01
            point = {"metric_type": "risk", "name": "current_drawdown", "value": value}
            await feed.record_metrics([point])
        case "daily-loss":
            start = datetime.now(UTC) - timedelta(hours=1)
            await feed.update_portfolio(portfolio(100, 0.1, start + timedelta(minutes=2 * bad)))
            await feed.update_portfolio(
                portfolio(90 if bad else 100, 0.1, start + timedelta(minutes=10 if bad else 20))
            )
        case "position-weight":
            await feed.update_portfolio(portfolio(100, 0.5 if bad else 0.1, datetime.now(UTC)))
        case "error-rate":
            await feed.report_system(sample(error_rate=0.9 if bad else -10.0))
        case "feed-behind":
            await feed.report_system(sample(lag_seconds=99.0 if bad else 0.0))
        case "agent-silent":
            await feed.update_agent("m", {"state": "active"})
        case "portfolio-stale":
            await feed.update_portfolio(portfolio(100, 0.1, datetime.now(UTC)))
        case "component-down":
            await feed.report_system(sample())


@pytest.fixture
def rules() -> dict[str, dict[str, Any]]:
    config = replace(Config(port=0), rules_files=(str(FILE),))
    return {rule["id"]: rule for rule in configured_rules(config)}


NAMES = (
    "agent-silent", "portfolio-stale", "drawdown", "daily-loss", "position-weight", "error-rate",
    "component-down", "feed-behind",
)  # fmt: skip


def test_every_ready_made_rule_is_tested(rules: dict[str, Any]) -> None:
    assert set(rules) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
async def test_a_ready_made_rule_fires_and_recovers(
    serve: Serve, rules: dict[str, dict[str, Any]], name: str
) -> None:
    # What takes minutes takes a second here.
    short = {"window": "1s"} if name in SILENT else {"for": "0s"}
    server = await serve(rules=({**rules[name], **short},))
    admin = await server.login()

    async def alerts(**query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await server.json(
            "/api/alerts", admin, source="rules", **query
        )
        return found

    await feed(server, name, bad=True)
    await until(lambda: alerts())
    (alert, *_) = await alerts()
    assert alert["rule_id"] == name
    assert "{" not in alert["title"]
    await feed(server, name, bad=False)
    await until(lambda: alerts(status="resolved"))
