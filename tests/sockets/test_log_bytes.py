"""What clients and operators see of the bound on the bytes of the event log."""

from __future__ import annotations

from alphapulse_api.config import EventsConfig
from tests.conftest import Serve
from tests.socket_client import connect, portfolio, trade


async def test_an_event_beyond_the_bytes_of_the_log_is_sent_and_not_resumed(serve: Serve) -> None:
    server = await serve(events=EventsConfig(max_bytes=2_000))
    start = server.backend.events.cursor("portfolio")
    async with connect(server, await server.login("viewer")) as live:
        await live.ask(type="subscribe", channels=["portfolio"])
        await server.feed.update_portfolio(portfolio(performance={f"p{n}": n for n in range(200)}))
        assert len((await live.receive("portfolio"))["data"]["performance"]) == 200
        ack = await live.ask(
            type="subscribe", channels=["portfolio"], since={"portfolio": start}, snapshot=True
        )
        assert ack["channels"]["portfolio"]["resumed"] is False
        (state,) = [m["data"] for m in await live.settled() if m.get("snapshot")]
        assert len(state["performance"]) == 200


async def test_the_figures_show_the_bytes_and_evictions_of_each_channel(serve: Serve) -> None:
    server = await serve(events=EventsConfig(max_bytes=20_000))
    caller = await server.login("admin")
    for n in range(10):
        await server.feed.record_trade(trade(str(n), metadata={"text": "x" * 3000}))
    async with server.session.get(f"{server.url}/metrics", headers=caller) as response:
        lines = (await response.text()).splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    held = server.backend.events.held["trades"]
    assert 3000 < held <= 10_000
    assert float(figures['alphapulse_event_log_bytes{channel="trades"}']) == held
    assert float(figures['alphapulse_event_log_evictions_total{channel="trades"}']) == 8
    assert float(figures['alphapulse_event_log_evictions_total{channel="alerts"}']) == 0
