"""The client's calls about notifications and silences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from alphapulse_api.client import ApiError, DashboardClient
from alphapulse_api.client.sync import SyncDashboardClient
from tests.conftest import Server
from tests.notifications import add_notifications, notification

MATCHERS = {"min_severity": "info", "labels": ["team:fx"]}


async def test_silences(server: Server) -> None:
    token = (await server.login("operator"))["Authorization"].removeprefix("Bearer ")
    until = datetime.now(UTC) + timedelta(hours=1)
    async with DashboardClient(server.url, token=token) as api:
        silence = await api.create_silence({"matchers": MATCHERS, "until": until})
        assert silence["until"] == until
        assert await api.create_silence(silence) == silence
        assert [found async for found in api.silences(active=True)] == [silence]
        assert (await api.end_silence(silence["id"]))["until"] < until
        assert (await api.silence(silence["id"]))["until"] < until
        assert [found async for found in api.silences(active=True)] == []
        with pytest.raises(ApiError, match="least one condition"):
            await api.create_silence({"matchers": {}, "until": until})


async def test_notifications(server: Server) -> None:
    rows = [notification(f"n{n}", n) for n in range(3)]
    failed = notification("f", 9, state="failed", delivered_at=None)
    await add_notifications(server.backend.engine, *rows, failed)
    key = (await server.key())["X-API-Key"]
    async with DashboardClient(server.url, api_key=key) as api:
        assert [row async for row in api.notifications()] == [failed, *reversed(rows)]
        found = api.notifications(state=["failed"], receiver="phone", alert_id="a1")
        assert [row async for row in found] == [failed]
        export = api.export_notifications(state=["delivered"], sort="asc")
        assert [row async for row in export] == rows


def test_the_synchronous_client_has_the_same_calls() -> None:
    for name in ("notifications", "silences", "silence", "create_silence", "end_silence"):
        assert callable(getattr(SyncDashboardClient, name))
