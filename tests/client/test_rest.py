"""The client's REST calls against the real server, and against servers that fail on cue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alphapulse_api import Config
from alphapulse_api.client import ApiError, DashboardClient
from alphapulse_api.config import RateLimitConfig
from tests.conftest import PASSWORD, Serve, Server
from tests.proxy import proxied
from tests.view import LoginView

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRADE = {"symbol": "AAPL", "side": "buy", "quantity": Decimal("0.10"), "price": "187.20"}


@pytest.fixture
async def api(server: Server) -> AsyncIterator[DashboardClient]:
    """A client that is logged in as admin, who may do everything."""
    async with DashboardClient(server.url, username="admin", password=PASSWORD) as client:
        yield client


async def key(server: Server, *scopes: str) -> str:
    return (await server.key(*scopes))["X-API-Key"]


async def test_every_kind_of_credentials(server: Server) -> None:
    token = (await server.login("viewer"))["Authorization"].removeprefix("Bearer ")
    async with (
        DashboardClient(server.url, api_key=await key(server)) as by_key,
        DashboardClient(server.url + "/", token=token) as by_token,
        DashboardClient(server.url, username="viewer", password=PASSWORD) as by_login,
    ):
        assert (await by_key.me())["auth"] == "api_key"
        assert (await by_token.me())["username"] == "viewer"
        me = await by_login.me()
        assert (me["role"], me["auth"]) == ("viewer", "jwt")
        assert me["expires_at"] is not None
        assert me["expires_at"] > datetime.now(UTC)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"api_key": "a", "token": "b"}, {"username": "ann"}, {"api_key": "a", "password": "b"}],
)
def test_credentials_are_of_one_kind(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="api_key"):
        DashboardClient("http://localhost", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["localhost:8080", "ws://localhost", "http://", "/api"])
def test_a_url_is_checked_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        DashboardClient(url, api_key="a")


async def test_a_client_outside_of_its_block_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await DashboardClient("http://localhost", api_key="a").me()


async def test_metrics(api: DashboardClient) -> None:
    points = [
        {
            "metric_type": "risk",
            "name": "var",
            "timestamp": T0 + timedelta(seconds=i),
            "value": float(i),
            "labels": {"desk": "a b:c"},
        }
        for i in range(10)
    ]
    assert await api.record_metrics(points) == 10
    assert await api.record_metrics({"metric_type": "risk", "name": "now", "value": None}) == 1
    series = {row["name"]: row async for row in api.series()}
    assert series["var"]["first"] == T0
    assert series["var"]["count"] == 10
    assert [row["name"] for row in await api.series(name="v")] == ["var"]
    assert [row["name"] for row in await api.series(metric_type="risk", limit=1)] == ["now"]
    span = {"start_time": T0, "end_time": T0 + timedelta(seconds=10)}
    rows = await api.metrics("risk", **span, name="var", labels={"desk": "a b:c"})
    assert [row["value"] for row in rows] == [float(i) for i in range(10)]
    assert rows[3]["timestamp"] == T0 + timedelta(seconds=3)
    (one,) = await api.metrics("risk", **span, aggregation="avg", interval="1m")
    assert one["value"] == 4.5
    (two,) = await api.metrics("risk", **span, aggregation=["min", "count"], interval="1m")
    assert (two["min"], two["count"]) == (0.0, 10)
    (day,) = await api.metrics("risk", **span, interval="1d", timezone="America/New_York")
    assert day["timestamp"] == datetime(2026, 3, 1, 5, tzinfo=UTC)
    latest = await api.latest_metrics("risk", name="var", labels={"desk": "a b:c"})
    assert [row["value"] for row in latest] == [9.0]
    assert [row["name"] for row in await api.latest_metrics("risk", limit=1)] == ["now"]


async def test_portfolio(api: DashboardClient) -> None:
    with pytest.raises(ApiError) as caught:
        await api.portfolio()
    assert caught.value.status == 404
    assert caught.value.type == "urn:alphapulse:problem:not-found"
    position = {"symbol": "AAPL", "quantity": "2", "entry_price": 10, "current_price": 11}
    stored = await api.update_portfolio(
        {"total_value": Decimal("100.10"), "cash": "78.10", "positions": [position]}
    )
    assert stored["positions"][0]["unrealized_pnl"] == Decimal(2)
    current = await api.portfolio(include_history=True)
    assert current["total_value"].as_tuple() == Decimal("100.10").as_tuple()
    assert current["as_of"] == stored["as_of"]
    assert [point["positions_value"] for point in current["history"]] == [Decimal(22)]
    assert "history" not in await api.portfolio()
    assert await api.portfolio(as_of=stored["as_of"]) == stored


async def test_alerts(api: DashboardClient) -> None:
    raised = await api.raise_alert({"title": "Drawdown", "severity": "critical", "source": "risk"})
    await api.raise_alert({"title": "Note", "severity": "info"})
    assert raised["created_at"].tzinfo is not None
    assert await api.alert(raised["id"]) == raised
    severe = await api.alerts(severity=["critical", "error"], acknowledged=False, source="risk")
    assert severe == [raised]
    known = await api.acknowledge_alert(raised["id"], comments="seen", user="bob")
    assert await api.alerts(status="acknowledged") == [known]
    assert (known["acknowledged_by"], known["comments"]) == ("bob", "seen")
    assert [row["title"] async for row in api.alerts(severity="info")] == ["Note"]
    resolved = await api.resolve_alert(raised["id"])
    assert resolved["status"] == "resolved"
    assert resolved["resolved_at"] is not None


async def test_trades_and_their_pages(
    api: DashboardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await api.record_trade(TRADE)
    assert stored["value"] == Decimal("18.7200")
    one = await api.trade(stored["id"])
    assert [(s["status"], s["price"]) for s in one.pop("history")] == [("filled", stored["price"])]
    assert one == stored
    more = [
        {**TRADE, "id": f"t/ä{i}".replace("/", "."), "executed_at": T0 + timedelta(seconds=i)}
        for i in range(25)
    ]
    assert await api.record_trades(more) == 25
    assert (await api.trade("t.ä7"))["executed_at"] == T0 + timedelta(seconds=7)
    monkeypatch.setattr("alphapulse_api.client.pages.PAGE_ROWS", 10)
    rows = api.trades(symbol="AAPL", end_time=T0 + timedelta(days=1))
    assert rows.stream_cursor is None
    listed = await rows
    assert [row["id"] for row in listed] == [f"t.ä{i}" for i in range(24, -1, -1)]
    assert rows.stream_cursor is not None
    assert len(await api.trades(limit=12)) == 12
    assert len([row async for row in api.trades(limit=10)]) == 10
    assert await api.trades(side="sell") == []
    with pytest.raises(ValueError, match="limit"):
        api.trades(limit=0)


async def test_agents_and_signals(api: DashboardClient) -> None:
    agent = await api.update_agent("m-1", agent_type="momentum", state="active")
    assert agent["updated_at"].tzinfo is not None
    agent = await api.update_agent("m-1", metrics={"sharpe": 1.2})
    assert (agent["state"], agent["metrics"]) == ("active", {"sharpe": 1.2})
    signal = await api.record_signal(
        "m-1", {"symbol": "AAPL", "direction": "buy", "target_price": "200.50"}
    )
    assert signal["target_price"] == Decimal("200.50")
    (listed,) = await api.agents(agent_type="momentum")
    assert listed["signals"] == [signal]
    assert await api.signals("m-1", direction="buy") == [signal]
    assert await api.signals("m-1", symbol="MSFT") == []


async def test_system(api: DashboardClient) -> None:
    sample = await api.report_system({"component": "feed", "status": "healthy"})
    assert await api.system(component="feed") == [sample]


async def test_the_audit_log(api: DashboardClient) -> None:
    await api.open_book("beta", mode="paper")
    await api.open_book("beta", title="Beta")
    entries = [entry async for entry in api.audit(actor="admin", action=["book.create"])]
    assert [(entry["target_id"], entry["before"]) for entry in entries] == [("beta", None)]
    assert datetime.now(UTC) - entries[0]["at"] < timedelta(minutes=1)
    exported = [
        entry["action"]
        async for entry in api.export_audit(action=["book.create", "book.update"], target="beta")
    ]
    assert exported == ["book.update", "book.create"]


async def test_an_error_says_what_is_wrong_where(api: DashboardClient, server: Server) -> None:
    with pytest.raises(ApiError) as caught:
        await api.record_trade({**TRADE, "side": "up", "colour": "red"})
    error = caught.value
    assert error.status == 422
    assert {place["pointer"] for place in error.errors} == {"/side", "/colour"}
    assert error.request_id
    assert "/side" in str(error) or "/colour" in str(error)
    async with DashboardClient(server.url, api_key=await key(server)) as reader:
        with pytest.raises(ApiError) as caught:
            await reader.record_trade(TRADE)
    assert caught.value.status == 403


async def test_a_write_whose_answer_was_lost_is_stored_once(server: Server) -> None:
    async with proxied(server.url) as proxy:
        proxy.cut_at([1, 30, 60])
        async with DashboardClient(
            proxy.url, api_key=await key(server, "publish"), rand=lambda: 0.0
        ) as client:
            stored = await client.record_trade(TRADE)
            assert proxy.cuts == 3
            assert await client.trades() == [stored]


async def test_an_expired_token_is_renewed_by_refresh_and_else_by_login(
    serve: Serve, config: Config
) -> None:
    server = await serve(auth=replace(config.auth, token_expiry=60, refresh_grace=0))
    async with DashboardClient(server.url, username="admin", password=PASSWORD) as client:
        await client.me()
        login = LoginView(client)
        first = login.refresh_token
        login.renew_soon()
        await client.me()
        second = login.refresh_token
        assert first != second
        # Its family is ended by a thief's second use of the first: only a login helps.
        assert await server.dashboard.accounts.refresh(first) is None
        login.renew_soon()
        await client.me()
        assert login.refresh_token not in (first, second)
        # A token that ends unexpectedly is a 401, once.
        await server.dashboard.accounts.revoke(login.access_token)
        assert (await client.me())["username"] == "admin"


async def test_a_wrong_password_is_an_api_error(server: Server) -> None:
    async with DashboardClient(server.url, username="admin", password="wrong") as client:
        with pytest.raises(ApiError) as caught:
            await client.me()
    assert caught.value.status == 401


async def test_the_rate_limit_is_waited_for(serve: Serve) -> None:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=1))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with DashboardClient(
        server.url, api_key=await key(server), retries=2, sleep=sleep
    ) as client:
        await client.me()
        with pytest.raises(ApiError) as caught:
            await client.me()
    assert caught.value.status == 429
    assert waits == [60, 60]
