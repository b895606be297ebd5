"""A live node of nautilus_trader, without venues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.trading.strategy import Strategy

from alphapulse_api.adapters.nautilus_trader import DashboardActor
from alphapulse_api.embed.feed import HostFeed
from tests.adapters.hosts import EVERY_HOST
from tests.adapters.nautilus import logging_to
from tests.adapters.viewer import Viewer
from tests.documented import LINES
from tests.embedding import settled, until


class Odd(Strategy):  # type: ignore[misc]
    """Logs a warning when it starts."""

    warning = "Something odd"

    def on_start(self) -> None:
        self.log.warning(self.warning)


class OddInAnotherWay(Odd):
    warning = "Something else is odd"


def run_node(
    log_file: Path,
    strategy: Strategy,
    add: Callable[[TradingNode], None],
    enough: Callable[[], Any],
) -> None:
    """Run a node until it is enough; it is stopped from another thread, as its loop is its own."""
    loop = asyncio.new_event_loop()
    config = TradingNodeConfig(
        trader_id="TESTER-001",
        logging=logging_to(log_file),
        timeout_post_stop=0.1,  # there are no venues whose last events could come
    )
    node = TradingNode(config, loop)
    add(node)
    node.trader.add_strategy(strategy)
    node.build()

    def stop() -> None:
        try:
            until(enough, 30)
        finally:
            asyncio.run_coroutine_threadsafe(node.stop_async(), loop)

    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(stop)
        node.run()
        stopping.result()
    node.dispose()


@EVERY_HOST
def test_a_node_shows_its_strategies(feed: HostFeed, viewer: Viewer, log_file: Path) -> None:
    def add(node: TradingNode) -> None:
        names = {"node": node, "DashboardActor": DashboardActor, "feed": feed}
        exec(LINES["nautilus_trader, a `TradingNode`"], names)

    def states() -> list[tuple[str, str]]:
        return [(row["agent_id"], row["state"]) for row in viewer.get("/api/agents")]

    run_node(log_file, Odd(), add, lambda: states() == [("Odd-000", "active")])
    settled(feed)
    assert states() == [("Odd-000", "stopped")]


def test_warnings_of_a_node_are_alerts(feed: HostFeed, viewer: Viewer, log_file: Path) -> None:
    actor = DashboardActor(feed, log_file=log_file, every=timedelta(milliseconds=50))

    def odd() -> list[dict[str, Any]]:
        return [row for row in viewer.alerts() if row["message"] == OddInAnotherWay.warning]

    run_node(log_file, OddInAnotherWay(), lambda node: node.trader.add_actor(actor), odd)
    (alert,) = odd()
    assert alert["tags"] == ["OddInAnotherWay"]
