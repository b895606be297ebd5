"""The whole path once: a record goes in, and comes out by REST and by the socket."""

from __future__ import annotations

from tests.conftest import Server


async def test_a_trade_goes_from_the_feed_to_rest_and_socket(server: Server) -> None:
    headers = await server.login("viewer")
    async with server.session.ws_connect(f"{server.url}/ws", headers=headers) as ws:
        assert (await ws.receive_json())["type"] == "welcome"
        assert (await ws.receive_json())["type"] == "authenticated"
        await ws.send_json({"type": "subscribe", "id": 1, "channels": ["trades"]})
        ack = await ws.receive_json()
        assert ack["type"] == "subscribed"
        assert ack["id"] == 1
        stored = await server.feed.record_trade(
            {"symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20"}
        )
        event = await ws.receive_json()
        assert event["type"] == "trade"
        assert event["data"]["id"] == stored["id"]
        assert event["data"]["value"] == "1872.00"
    (trade,) = await server.json("/api/trades", headers)
    assert trade == event["data"]
