"""What a viewer of a dashboard sees, as JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from tests.conftest import PASSWORD


class Viewer:
    """Reads a dashboard over HTTP, logged in as its admin."""

    def __init__(self, url: str) -> None:
        self._url = url
        form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
        with urlopen(f"{url}/token", urlencode(form).encode(), timeout=10) as answer:
            self._headers = {"Authorization": f"Bearer {json.load(answer)['access_token']}"}

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that succeeds."""
        url = f"{self._url}{path}?{urlencode(query)}"
        with urlopen(Request(url, headers=self._headers), timeout=30) as answer:
            return json.load(answer)

    def trades(self, **query: Any) -> list[dict[str, Any]]:
        """Up to 10000 trades since 2000, newest first."""
        since = {"start_time": "2000-01-01T00:00:00Z", "limit": 10_000}
        trades: list[dict[str, Any]] = self.get("/api/trades", **since, **query)
        return trades

    def trade(self, id_: str) -> dict[str, Any]:
        """One trade, with its history."""
        trade: dict[str, Any] = self.get(f"/api/trades/{quote(id_)}")
        return trade

    def portfolio(self, **query: Any) -> dict[str, Any]:
        """The portfolio."""
        portfolio: dict[str, Any] = self.get("/api/portfolio", **query)
        return portfolio

    def history(self) -> dict[str, Any]:
        """The portfolio with its history since 2000, every snapshot of up to 11000."""
        since = {"start_time": "2000-01-01T00:00:00Z", "max_points": 11_000}
        return self.portfolio(include_history=True, **since)

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts, newest first."""
        alerts: list[dict[str, Any]] = self.get(
            "/api/alerts", start_time="2000-01-01T00:00:00Z", limit=10_000
        )
        return alerts
