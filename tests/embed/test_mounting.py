"""The dashboard in somebody else's program: mounted, embedded, threaded, or only fed."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from alphapulse_api import Config, Dashboard, Problem, StartupError, create_app
from alphapulse_api.config import DatabaseConfig
from tests.asking import TRADE, Answer, ask, problem
from tests.conftest import PASSWORD, Serve, Server
from tests.raw import connection
from tests.waiting import until

LOGIN = {"grant_type": "password", "username": "admin", "password": PASSWORD}


async def _get(client: Any, path: str, **kwargs: Any) -> Answer:
    async with client.request(kwargs.pop("method", "GET"), path, **kwargs) as response:
        return Answer(response.status, response.headers, await response.read())


async def _mounted(config: Config, aiohttp_client: Any) -> tuple[TestClient[Any, Any], Any]:
    async def home(request: web.Request) -> web.Response:
        return web.Response(text="the host's own page")

    host = web.Application()
    host.router.add_get("/", home)
    host.add_subapp("/dashboard/", create_app(config))
    client = await aiohttp_client(host)
    answer = await _get(client, "/dashboard/token", method="POST", data=LOGIN)
    return client, {"Authorization": f"Bearer {answer.json['access_token']}"}


async def test_mounted_it_keeps_to_its_prefix(config: Config, aiohttp_client: Any) -> None:
    client, admin = await _mounted(config, aiohttp_client)
    assert (await _get(client, "/")).body == b"the host's own page"
    assert (await _get(client, "/dashboard/healthz")).status == 200
    assert (await _get(client, "/dashboard/readyz")).status == 200
    assert (await _get(client, "/healthz")).headers["Content-Type"].startswith("text/plain")
    problem(await _get(client, "/dashboard/nowhere"), 404)
    problem(await _get(client, "/dashboard/api/trades", method="DELETE"), 405)
    problem(await _get(client, "/dashboard/api/trades"), 401)
    created = await _get(
        client, "/dashboard/api/trades", method="POST", headers=admin, json=[TRADE] * 3
    )
    assert created.json == {"accepted": 3}
    page = await _get(client, "/dashboard/api/trades?limit=2", headers=admin)
    link = page.headers["Link"].split(">")[0].strip("<")
    assert link.startswith("/dashboard/api/trades?")
    rest = await _get(client, str(URL(link, encoded=True)), headers=admin)
    assert len({trade["id"] for trade in [*page.json, *rest.json]}) == 3


async def test_mounted_its_documents_point_below_the_prefix(
    config: Config, aiohttp_client: Any
) -> None:
    client, _ = await _mounted(config, aiohttp_client)
    page = (await _get(client, "/dashboard/docs")).body.decode()
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert f'"docs/{name}"' in page
        assert (await _get(client, f"/dashboard/docs/{name}")).status == 200
    openapi = (await _get(client, "/dashboard/openapi.json")).json
    url = str(client.make_url("/dashboard"))
    assert openapi["servers"] == [{"url": url}]
    flow = openapi["components"]["securitySchemes"]["password"]["flows"]["password"]
    assert flow["tokenUrl"] == f"{url}/token"
    asyncapi = (await _get(client, "/dashboard/asyncapi.json")).json
    assert asyncapi["servers"]["this"]["pathname"] == "/dashboard"


async def test_mounted_its_socket_lives_and_ends_with_the_host(
    config: Config, aiohttp_client: Any
) -> None:
    client, admin = await _mounted(config, aiohttp_client)
    ws = await client.ws_connect("/dashboard/ws", headers=admin)
    assert (await ws.receive_json())["type"] == "welcome"
    assert (await ws.receive_json())["username"] == "admin"
    await ws.send_json({"type": "subscribe", "channels": ["trades"]})
    assert (await ws.receive_json())["type"] == "subscribed"
    await _get(client, "/dashboard/api/trades", method="POST", headers=admin, json=TRADE)
    assert (await ws.receive_json())["data"]["symbol"] == "AAPL"
    closing = asyncio.create_task(client.server.close())
    message = await ws.receive()
    assert (message.type, message.data, message.extra) == (
        aiohttp.WSMsgType.CLOSE, 1001, "shutdown",
    )  # fmt: skip
    await closing


async def test_a_base_path_prefixes_every_url(serve: Serve) -> None:
    server = await serve(base_path="/desk")
    assert server.url.endswith("/desk")
    caller = await server.key("publish")
    assert (await ask(server, "POST", "/api/trades", caller, json=[TRADE] * 3)).status == 201
    page = await ask(server, "GET", "/api/trades?limit=2", caller)
    assert page.headers["Link"].startswith("</desk/api/trades?")
    async with server.session.ws_connect(f"{server.url}/ws", headers=caller) as ws:
        assert (await ws.receive_json())["type"] == "welcome"
    bare = server.url.removesuffix("/desk")
    for path in ("/healthz", "/", "/console/", "/deskhealthz"):
        problem(await _get(server.session, bare + path), 404)


async def test_two_dashboards_in_one_process_know_nothing_of_each_other(
    config: Config, serve: Serve, tmp_path: Any
) -> None:
    one = await serve()
    two = await serve(database=DatabaseConfig(url=f"sqlite:///{tmp_path}/two.db"))
    key_one, key_two = await one.key("publish"), await two.key("publish")
    assert (await ask(one, "POST", "/api/trades", key_one, json=TRADE)).status == 201
    assert await two.json("/api/trades", key_two) == []
    problem(await ask(two, "GET", "/api/me", key_one), 401)
    problem(await ask(two, "GET", "/api/me", await one.login()), 401)


async def test_one_that_only_feeds_is_seen_by_the_one_that_serves(config: Config) -> None:
    async with Dashboard(config, serve=False) as feeder:
        with pytest.raises(RuntimeError, match="does not serve"):
            _ = feeder.url
        assert await feeder.accounts.list_users() == []  # the serving side makes the first
        stored = await feeder.feed.record_trade(TRADE)
        async with Dashboard(config) as dashboard, aiohttp.ClientSession() as session:
            server = Server(dashboard, session)
            (trade,) = await server.json("/api/trades", await server.key())
            assert trade["id"] == stored["id"]


class HostTrades:
    """A host's own trades."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def get_trades(self, **query: Any) -> list[dict[str, Any]]:
        self.asked.append(query)
        return [{"id": f"host-{len(self.asked)}", "symbol": query.get("symbol")}]


async def test_a_hosts_own_accessor_is_asked_every_time(serve: Serve) -> None:
    trades = HostTrades()
    server = await serve(accessors={"trades": trades})
    caller = await server.key()
    for n in (1, 2):
        answer = await ask(server, "GET", "/api/trades?symbol=A&limit=5", caller)
        assert answer.json == [{"id": f"host-{n}", "symbol": "A", "book": "main"}]
        assert answer.headers["X-Cache"] == "BYPASS"
    assert trades.asked == [{"symbol": "A", "limit": 5}] * 2
    assert server.dashboard.trades is trades


def test_an_accessor_of_nothing_is_refused(config: Config) -> None:
    with pytest.raises(TypeError, match="orders"):
        create_app(config, orders=object())
    with pytest.raises(AttributeError):
        _ = Dashboard(config).orders


def test_an_app_is_made_without_any_work(config: Config, tmp_path: Path) -> None:
    elsewhere = replace(config, database=DatabaseConfig(url=f"sqlite:///{tmp_path}/new/test.db"))
    (tmp_path / "new").mkdir()
    create_app(elsewhere)
    Dashboard(elsewhere)
    assert list((tmp_path / "new").iterdir()) == []


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_taken_port_is_one_clear_line(config: Config, taken_port: int) -> None:
    with pytest.raises(StartupError, match=rf"cannot listen on 127\.0\.0\.1 port {taken_port}: "):
        async with Dashboard(replace(config, port=taken_port)):
            pass
    async with Dashboard(config) as dashboard:  # and nothing of it is left behind
        assert dashboard.url


def test_a_thread_feeds_and_serves(config: Config) -> None:
    with Dashboard.in_thread(config) as feed:
        assert feed.url.startswith("http://127.0.0.1:")
        stored = feed.record_trade(TRADE)
        assert feed.record_trades([{**TRADE, "id": "t2"}])[0]["id"] == "t2"
        assert feed.record_metrics({"metric_type": "risk", "name": "var", "value": 1}) == 1
        alert = feed.raise_alert({"title": "x"})
        assert feed.acknowledge_alert(alert["id"], "ann", "seen")["acknowledged_by"] == "ann"
        assert feed.resolve_alert(alert["id"])["status"] == "resolved"
        feed.update_portfolio({"total_value": 1, "cash": 1})
        feed.update_agent("m1", {"state": "active"})
        feed.record_signal("m1", {"symbol": "A", "direction": "buy"})
        feed.report_system({"component": "feed", "status": "healthy"})
        assert asyncio.run(trade_ids(feed.url)) == {stored["id"], "t2"}
    assert "alphapulse-dashboard" not in {thread.name for thread in threading.enumerate()}


async def trade_ids(url: str, listing: str | None = None) -> set[str]:
    listing = listing or f"{url}/api/trades"
    async with aiohttp.ClientSession() as session:
        pair = (await _get(session, f"{url}/token", method="POST", data=LOGIN)).json
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        return {trade["id"] for trade in (await _get(session, listing, headers=headers)).json}


def test_a_threads_errors_are_raised_where_the_call_is(config: Config, taken_port: int) -> None:
    taken = replace(config, port=taken_port)
    with pytest.raises(StartupError, match="cannot listen"), Dashboard.in_thread(taken):
        pytest.fail("it did not start")
    with Dashboard.in_thread(config, serve=False) as feed:
        with pytest.raises(Problem, match="side"):
            feed.record_trade({**TRADE, "side": "up"})
        with pytest.raises(RuntimeError, match="does not serve"):
            _ = feed.url
        assert feed.record_trade(TRADE)["id"]
    with pytest.raises(ZeroDivisionError), Dashboard.in_thread(config):
        _ = 1 / 0
    with pytest.raises(RuntimeError):
        feed.record_trade(TRADE)


def test_many_threads_feed_one_dashboard(config: Config) -> None:
    with Dashboard.in_thread(config, serve=False) as feed:

        def trade(n: int) -> None:
            for m in range(20):
                feed.record_trade({**TRADE, "id": f"t{n}-{m}"})

        threads = [threading.Thread(target=trade, args=(n,)) for n in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Dashboard.in_thread(config) as feed:
        assert len(asyncio.run(trade_ids(feed.url))) == 100


def test_leaving_waits_for_calls_under_way_and_refuses_later_ones(config: Config) -> None:
    stored: list[str] = []
    endings: list[str] = []
    started = threading.Event()

    def trade_on() -> None:
        try:
            while True:
                stored.append(feed.record_trade(TRADE)["id"])
                started.set()
        except RuntimeError as error:
            endings.append(str(error))

    with Dashboard.in_thread(config, serve=False) as feed:
        threads = [threading.Thread(target=trade_on) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert started.wait(10)
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert endings == ["the dashboard is closed: it takes no more calls"] * 3
    with Dashboard.in_thread(config) as feed:
        url = f"{feed.url}/api/trades?limit=10000"
        assert asyncio.run(trade_ids(feed.url, url)) == set(stored)


async def test_mounted_a_client_that_hangs_up_leaves_no_traceback_in_the_hosts_log(
    config: Config, aiohttp_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client, admin = await _mounted(config, aiohttp_client)
    caplog.set_level(logging.INFO)
    async with connection(str(client.make_url("/"))) as peer:
        await peer.send(
            b"POST /dashboard/api/trades HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            b"Content-Type: application/json\r\nAuthorization: "
            + admin["Authorization"].encode()
            + b"\r\n\r\n["
        )
        await asyncio.sleep(0.05)
        peer.writer.transport.abort()
    await until(lambda: "POST /dashboard/api/trades 499" in caplog.text)
    assert not [record for record in caplog.records if record.exc_info]
