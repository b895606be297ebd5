"""The client in synchronous code and on the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import ApiError, Event, StreamError, SyncDashboardClient, stream
from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.conftest import PASSWORD, Server
from tests.socket_client import alert, point, portfolio, trade

SECONDS = 20
ADMIN: dict[str, Any] = {"username": "admin", "password": PASSWORD}


@pytest.fixture
def feed(config: Config) -> Iterator[ThreadFeed]:
    with Dashboard.in_thread(config) as feed:
        yield feed


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "alphapulse-client"]


def test_calls_and_listings(feed: ThreadFeed) -> None:
    with SyncDashboardClient(feed.url, **ADMIN) as client:
        assert client.me()["username"] == "admin"
        assert client.record_trades([trade(id=f"t{i}") for i in range(3)]) == 3
        assert sorted(row["id"] for row in client.trades(symbol="AAPL")) == ["t0", "t1", "t2"]
        assert client.trade("t1")["symbol"] == "AAPL"
        assert list(client.alerts()) == []
        assert client.record_metrics(point()) == 1
        with pytest.raises(ApiError, match="404"):
            client.portfolio()
        assert "SyncDashboardClient" in repr(client)
    assert threads() == []
    with pytest.raises(RuntimeError, match="closed"):
        client.me()
    client.close()


def test_books_are_opened_and_shown_side_by_side(feed: ThreadFeed) -> None:
    with SyncDashboardClient(feed.url, **ADMIN) as client:
        beta = client.open_book("beta", mode="paper", currency="USD")
        again = client.open_book("beta", title="New filter", if_match=beta)
        with pytest.raises(ApiError, match="412"):
            client.open_book("beta", closed=True, if_match=beta)
        assert client.book("beta") == {**beta, "title": "New filter"} == again
        assert [book["id"] for book in client.books(mode="paper")] == ["beta"]
        client.update_portfolio(portfolio(book="beta", total_value="1.10"))
        imported = client.import_history(equity=[(0, 2)], book="beta")
        assert imported == (1, 0)
        assert client.record_trade(trade(book="beta"))["book"] == "beta"
        shown = client.portfolios()
        assert [total["total_value"] for total in shown["totals"]] == [Decimal("1.10")]


def test_the_stream_is_an_iterator(feed: ThreadFeed) -> None:
    with SyncDashboardClient(feed.url, **ADMIN) as client:
        with client.stream("trades") as events:
            feed.record_trades([trade(id="t0"), trade(id="t1")])
            event = next(events)
            assert isinstance(event, Event)
            assert event.data["id"] == "t0"
            cursors = events.cursors
        assert list(events) == []
        again = client.stream("trades", since=cursors)
        event = next(again)
        assert isinstance(event, Event)
        assert event.data["id"] == "t1"


def test_the_function_ends_its_thread_with_the_loop(feed: ThreadFeed) -> None:
    feed.record_trades([trade(id="t0"), trade(id="t1")])
    for event in stream(feed.url, "trades", snapshot=True, **ADMIN):
        assert isinstance(event, Event)
        assert event.data["id"] == "t0"
        assert threads()
        break
    assert threads() == []
    with pytest.raises(StreamError, match="unknown_channel"):
        next(stream(feed.url, "news", **ADMIN))
    assert threads() == []


def test_a_client_that_is_dropped_ends_its_thread(feed: ThreadFeed) -> None:
    SyncDashboardClient(feed.url, **ADMIN)
    assert threads() == []


async def tail(*args: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alphapulse_api.client", "tail", *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )  # fmt: skip


async def lines(process: asyncio.subprocess.Process) -> list[str]:
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


async def test_tail_prints_a_line_an_event(server: Server) -> None:
    await server.feed.record_metrics(point(labels={"desk": "a"}))
    await server.feed.raise_alert(alert())
    await server.feed.record_trade(trade(price="187.20", strategy="momentum"))
    await server.feed.record_trade(trade("MSFT"))
    await server.feed.update_portfolio(portfolio("100.10"))
    key = (await server.key())["X-API-Key"]
    process = await tail(
        "--url", server.url, "--snapshot", "--symbol", "AAPL", "--count", "4", AP_API_KEY=key
    )
    printed = [line.split(maxsplit=2)[1:] for line in await lines(process)]
    assert sorted(printed) == [
        ["alerts", "[warning] drawdown: over the limit (active)"],
        ["metrics", "risk.sharpe{desk=a} = 1.0"],
        ["portfolio", "100.10 USD, 100.10 in cash, 0 positions"],
        ["trades", "buy 1 AAPL at 187.20, filled (momentum)"],
    ]


async def test_tail_prints_the_events_of_a_book(server: Server) -> None:
    await server.feed.open_book("beta", mode="paper")
    for book, symbol in (("main", "MSFT"), ("beta", "AAPL")):
        await server.feed.record_trade({**trade(symbol), "book": book})
        await server.feed.raise_alert({**alert(title=symbol), "book": book})
    key = (await server.key())["X-API-Key"]
    process = await tail(
        "trades", "alerts", "--url", server.url, "--snapshot", "--book", "beta", "--count", "2",
        AP_API_KEY=key,
    )  # fmt: skip
    printed = sorted(line.split(maxsplit=2)[2] for line in await lines(process))
    assert ["AAPL" in line for line in printed] == [True, True]


async def test_tail_prints_raw_events_of_a_user(server: Server) -> None:
    stored = await server.feed.record_trade(trade(price="187.20"))
    await server.login("viewer")
    process = await tail(
        "trades", "--url", server.url, "--snapshot", "--json", "--count", "1",
        "--username", "viewer", AP_PASSWORD=PASSWORD,
    )  # fmt: skip
    (line,) = await lines(process)
    event = json.loads(line)
    (listed,) = await server.json("/api/trades", await server.login("viewer"))
    assert event.pop("data") == listed
    assert listed["id"] == stored["id"]
    assert event.pop("cursor")
    assert event == {"type": "trade", "channel": "trades", "snapshot": True}


@pytest.mark.parametrize(
    ("args", "environment", "said"),
    [
        (("news",), {"AP_API_KEY": "k"}, "'news' is not one of"),
        (("trades",), {"AP_API_KEY": ""}, "set the environment variable AP_API_KEY"),
        (("trades", "--api-key-env", "MY_KEY"), {}, "set the environment variable MY_KEY"),
        (("trades", "--username", "ann"), {"AP_PASSWORD": ""}, "AP_PASSWORD"),
        (("metrics", "--book", "beta"), {"AP_API_KEY": "k"}, "--book filters trades"),
        (("alerts", "--symbol", "AAPL"), {"AP_API_KEY": "k"}, "--symbol filters trades"),
        (("trades",), {"AP_API_KEY": "k"}, "auth_failed"),
    ],
)
async def test_tail_says_what_is_wrong(
    server: Server, args: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    process = await tail(*args, "--url", server.url, **environment)
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode != 0
    assert said in err.decode()
    assert "Traceback" not in err.decode()
    assert out == b""


# What a terminal is set to, and what it is written to in: click takes ASCII for a mistake.
@pytest.mark.parametrize(
    ("encoding", "written"), [("ascii", "utf-8"), ("latin-1", "latin-1"), ("utf-8", "utf-8")]
)
async def test_tail_prints_a_chinese_pair_on_any_terminal(
    server: Server, encoding: str, written: str
) -> None:
    await server.feed.record_trade(trade("交易USDT", strategy="naïve\x1b[2J"))
    key = (await server.key())["X-API-Key"]
    options = ("trades", "--url", server.url, "--snapshot", "--count", "1")
    environment = {"AP_API_KEY": key, "PYTHONIOENCODING": encoding}
    process = await tail(*options, **environment)
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    shown = "buy 1 交易USDT at 10, filled (naïve\\x1b[2J)".encode(written, "backslashreplace")
    assert shown in out
    process = await tail(*options, "--json", **environment)
    (line,) = await lines(process)
    assert json.loads(line)["data"]["symbol"] == "交易USDT"


@pytest.mark.parametrize("option", ["--username", "--symbol", "--url"])
async def test_tail_names_text_of_undecodable_bytes(option: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alphapulse_api.client", "tail", "trades", option, b"http://a\xff",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "AP_API_KEY": "k", "AP_PASSWORD": "p"},
    )  # fmt: skip
    async with asyncio.timeout(SECONDS):
        _, err = await process.communicate()
    assert process.returncode == 1
    assert "is not valid UTF-8 text" in err.decode()
    assert "Traceback" not in err.decode()
