"""What a subscriber gets: acks, filters, snapshots and live events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alphapulse_api.domain.channels import CHANNELS
from tests.conftest import Server
from tests.socket_client import alert, connect, point, portfolio, trade

ALL = list(CHANNELS)
TYPES = {name: channel.type for name, channel in CHANNELS.items()}
T0 = datetime(2026, 1, 1, tzinfo=UTC)


def snapshots(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m["data"] for m in messages if m.get("snapshot")]


# -- subscribing ----------------------------------------------------------------------------------


async def test_one_event_of_each_kind_reaches_a_subscriber_of_all(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        ack = await client.ask(type="subscribe", id=2, channels=ALL)
        assert (ack["type"], ack["id"], list(ack["channels"])) == ("subscribed", 2, ALL)
        await server.feed.record_metrics(point())
        await server.feed.raise_alert(alert())
        await server.feed.record_trade(trade())
        await server.feed.update_portfolio(portfolio())
        for name in ALL:
            event = await client.receive(TYPES[name])
            assert set(event) == {"type", "channel", "cursor", "data"}
            assert event["channel"] == name


async def test_events_have_the_data_that_get_gives(server: Server) -> None:
    headers = await server.login("viewer")
    async with connect(server, headers) as client:
        await client.ask(type="subscribe", channels=ALL)
        await server.feed.record_metrics(point(labels={"b": "2", "a": "1"}, value=3))
        (got,) = await server.json("/api/metrics/risk/latest", headers)
        assert (await client.receive("metric"))["data"] == got
        await server.feed.record_trade(trade(price="0.10", fee=1e-7, executed_at=T0))
        (got,) = await server.json("/api/trades", headers)
        assert (await client.receive("trade"))["data"] == got
        await server.feed.update_portfolio(
            portfolio(positions=[{"symbol": "A", "side": "long", "quantity": "0.50"}])
        )
        got = await server.json("/api/portfolio", headers)
        assert (await client.receive("portfolio"))["data"] == got


async def test_posts_and_acknowledgements_reach_subscribers_as_get_returns_them(
    server: Server,
) -> None:
    headers = await server.login("admin", "ann")
    async with connect(server, headers) as client:
        await client.ask(type="subscribe", channels=["alerts", "trades"])
        async with server.request(
            "POST", "/api/trades", json=trade(id="t1"), headers=headers
        ) as response:
            assert response.status == 201
        got = await server.json("/api/trades/t1", headers)
        del got["history"]  # which a frame does not have
        assert (await client.receive("trade"))["data"] == got
        for path, body in (
            ("/api/alerts", alert(id="a1")),
            ("/api/alerts/a1/acknowledge", {"comments": "seen"}),
            ("/api/alerts/a1/resolve", {}),
        ):
            async with server.request("POST", path, json=body, headers=headers) as response:
                assert response.status in (200, 201), await response.text()
            got = await server.json("/api/alerts/a1", headers)
            assert (await client.receive("alert"))["data"] == got
        async with server.request(
            "POST", "/api/alerts/a1/acknowledge", json={}, headers=headers
        ) as response:
            assert response.status == 200
        assert await client.settled() == [], "a second acknowledgement changes nothing"


async def test_the_same_trade_again_is_no_event(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["trades"])
        for _ in range(2):
            await server.feed.record_trade(trade(id="t1", executed_at="2026-01-01T00:00:00Z"))
        assert len(await client.settled()) == 1


FILTERS: list[tuple[str, dict[str, list[str]], list[str]]] = [
    ("metrics", {"metric_types": ["risk"]}, ["risk/a", "risk/b"]),
    ("metrics", {"names": ["a", "c"]}, ["risk/a", "trade/a"]),
    ("metrics", {"metric_types": ["risk", "trade"], "names": ["a"]}, ["risk/a", "trade/a"]),
    ("alerts", {"severities": ["error", "critical"]}, ["error/x"]),
    ("alerts", {"sources": ["x"]}, ["warning/x", "error/x"]),
    ("alerts", {"severities": ["warning"], "sources": ["y"]}, ["warning/y"]),
    ("trades", {"symbols": ["A"]}, ["A/m", "A/None"]),
    ("trades", {"strategies": ["m"]}, ["A/m", "B/m"]),
    ("trades", {"symbols": ["B"], "strategies": ["x"]}, []),
]


@pytest.mark.parametrize("moment", ["live", "snapshot", "replay"])
@pytest.mark.parametrize(("channel", "filters", "expected"), FILTERS)
async def test_filters_hold_for_live_events_snapshots_and_replays(
    server: Server, moment: str, channel: str, filters: dict[str, list[str]], expected: list[str]
) -> None:
    feed = server.feed
    start = server.backend.events.cursor(channel)

    async def happen() -> None:
        if channel == "metrics":
            for metric_type, name in (("risk", "a"), ("risk", "b"), ("trade", "a")):
                await feed.record_metrics(point(name, metric_type=metric_type))
        elif channel == "alerts":
            for severity, source in (("warning", "x"), ("error", "x"), ("warning", "y")):
                await feed.raise_alert(alert(severity=severity, source=source))
        else:
            await feed.record_trades(
                [trade("A", strategy="m"), trade("B", strategy="m"), trade("A")]
            )

    def summary(data: dict[str, Any]) -> str:
        keys = {"metrics": ("metric_type", "name"), "alerts": ("severity", "source")}
        first, second = keys.get(channel, ("symbol", "strategy"))
        return f"{data[first]}/{data[second]}"

    more: dict[str, Any] = {}
    if moment != "live":
        await happen()
        more = {"snapshot": True} if moment == "snapshot" else {"since": {channel: start}}
    async with connect(server, await server.login("viewer")) as client:
        ack = await client.ask(
            type="subscribe", channels=[channel], filters={channel: filters}, **more
        )
        if moment == "live":
            await happen()
        messages = await client.settled()
    assert sorted(summary(m["data"]) for m in messages) == sorted(expected)
    if moment == "replay":
        assert ack["channels"][channel]["replayed"] == len(expected)


async def test_subscribing_again_replaces_the_filters(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        for symbols in (["A"], ["B"]):
            filters = {"trades": {"symbols": symbols}}
            await client.ask(type="subscribe", channels=["trades"], filters=filters)
        listed = await client.ask(type="subscriptions", id=1)
        assert listed["channels"] == {"trades": {"filters": {"symbols": ["B"]}}}
        await server.feed.record_trades([trade("A"), trade("B")])
        assert [m["data"]["symbol"] for m in await client.settled()] == ["B"]


async def test_unsubscribing_stops_a_channel_and_leaves_the_others(server: Server) -> None:
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["trades", "alerts"])
        answer = await client.ask(type="unsubscribe", id=3, channels=["trades"])
        assert answer == {"type": "unsubscribed", "id": 3, "channels": ["trades"]}
        await server.feed.record_trade(trade())
        await server.feed.raise_alert(alert())
        assert [m["type"] for m in await client.settled()] == ["alert"]
        answer = await client.ask(type="unsubscribe", channels=["trades", "metrics"])
        assert answer["type"] == "unsubscribed"
        assert list((await client.ask(type="subscriptions"))["channels"]) == ["alerts"]


async def test_a_refusal_of_a_narrow_key_names_the_channel(
    server: Server,
) -> None:
    _, key = await server.dashboard.accounts.create_api_key("narrow", {"view_metrics"})
    async with connect(server, {"X-API-Key": key}) as client:
        error = await client.ask(type="subscribe", id=1, channels=["metrics", "alerts"])
        assert (error["code"], error["channel"]) == ("forbidden", "alerts")
        assert (await client.ask(type="subscriptions"))["channels"] == {}
        await server.feed.record_metrics(point())
        assert await client.settled() == []
        assert (await client.ask(type="subscribe", channels=["metrics"]))["type"] == "subscribed"


# -- snapshots ------------------------------------------------------------------------------------


async def test_snapshots_come_after_the_ack_with_its_cursor(server: Server) -> None:
    await server.feed.record_trade(trade())
    async with connect(server, await server.login("viewer")) as client:
        ack = await client.ask(type="subscribe", channels=["trades"], snapshot=True)
        row = await client.receive("trade")
        assert row["snapshot"] is True
        assert row["cursor"] == ack["channels"]["trades"]["cursor"]
        await server.feed.record_trade(trade())
        assert "snapshot" not in await client.receive("trade")


async def test_a_metrics_snapshot_is_the_newest_point_of_each_series(server: Server) -> None:
    await server.feed.record_metrics(
        [
            point("a", value=n, timestamp=T0 + timedelta(seconds=n), labels={"v": v})
            for n in range(3)
            for v in "xy"
        ]
    )
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["metrics"], snapshot=True)
        rows = snapshots(await client.settled())
    assert [(r["labels"]["v"], r["value"]) for r in rows] == [("x", 2.0), ("y", 2.0)]


async def test_an_alerts_snapshot_is_every_unresolved_one_oldest_first(server: Server) -> None:
    for n in range(5):
        await server.feed.raise_alert(alert(id=str(n), created_at=T0 + timedelta(seconds=n)))
    await server.feed.acknowledge_alert("1", "ann")
    await server.feed.resolve_alert("2")
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["alerts"], snapshot=True)
        rows = snapshots(await client.settled())
    assert [r["id"] for r in rows] == ["0", "1", "3", "4"]
    assert rows[1]["status"] == "acknowledged"


async def test_a_trades_snapshot_is_the_newest_fifty_oldest_first(server: Server) -> None:
    await server.feed.record_trades(
        [trade(id=f"{n:03}", executed_at=T0 + timedelta(seconds=n)) for n in range(80)]
    )
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["trades"], snapshot=True)
        rows = snapshots(await client.settled())
    assert [r["id"] for r in rows] == [f"{n:03}" for n in range(30, 80)]


async def test_a_portfolio_snapshot_is_the_current_one_if_there_is_one(server: Server) -> None:
    headers = await server.login("viewer")
    async with connect(server, headers) as client:
        ask = {"type": "subscribe", "channels": ["portfolio"], "snapshot": True}
        await client.ask(**ask)
        assert await client.settled() == []
        await server.feed.update_portfolio(portfolio("1"))
        await server.feed.update_portfolio(portfolio("2"))
        await client.receive_many(2, "portfolio")
        await client.ask(**ask)
        (row,) = snapshots(await client.settled())
    assert row == await server.json("/api/portfolio", headers)


async def test_every_snapshot_tells_its_end_and_its_rows(server: Server) -> None:
    await server.feed.record_metrics([point(name) for name in "abc"])
    ended = await server.feed.raise_alert(alert())
    await server.feed.resolve_alert(ended["id"])
    async with connect(server, await server.login("viewer")) as client:
        filters = {"metrics": {"names": ["a", "b", "z"]}}
        ack = await client.ask(type="subscribe", channels=ALL, snapshot=True, filters=filters)
        await server.feed.record_trade(trade())
        got = []
        while not got or got[-1]["type"] != "trade":
            got.append(await client.receive())
        kinds = [(m["type"], m["channel"], m.get("count")) for m in got]
        assert kinds[:-1] == [
            ("metric", "metrics", None),
            ("metric", "metrics", None),
            ("snapshot_end", "metrics", 2),
            ("snapshot_end", "alerts", 0),
            ("snapshot_end", "trades", 0),
            ("snapshot_end", "portfolio", 0),
        ]
        assert all(set(m) == {"type", "channel", "count"} for m in got[2:-1])
        # What resumes has no snapshot, and what asks for none neither.
        since = {"trades": ack["channels"]["trades"]["cursor"]}
        await client.send(type="subscribe", channels=["trades"], since=since, snapshot=True)
        await client.send(type="subscribe", channels=["metrics"])
        await client.send(type="ping")
        answers = [(await client.receive())["type"] for _ in range(4)]
        assert answers == ["subscribed", "trade", "subscribed", "pong"]


async def test_a_late_point_after_a_snapshot_is_news(server: Server) -> None:
    await server.feed.record_metrics(point(timestamp=T0 + timedelta(hours=1)))
    async with connect(server, await server.login("viewer")) as client:
        await client.ask(type="subscribe", channels=["metrics"], snapshot=True)
        await server.feed.record_metrics(point(timestamp=T0))
        rows = await client.settled()
    assert [r["data"]["timestamp"][11:13] for r in rows] == ["01", "00"]
