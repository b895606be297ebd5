"""Dashboards and the synchronous client in Jupyter's kernel: a running loop, cells, interrupts."""

from __future__ import annotations

import copy
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from nbclient import NotebookClient

from tests.adapters.kernels import Kernel, kernel_in
from tests.conftest import PASSWORD
from tests.embedding import SECONDS, lives, until

EXAMPLE = Path(__file__).parents[2] / "examples/notebook.ipynb"
OUTSIDE = pytest.mark.parametrize("way", ["in_process", "in_thread"])
NAMES = """
from alphapulse_api import Config, Dashboard
from alphapulse_api.client import SyncDashboardClient
from alphapulse_api.config import DatabaseConfig

TRADE = {"symbol": "AAPL", "side": "buy", "quantity": "10", "price": "187.20"}

def config(port=0):
    return Config(port=port, database=DatabaseConfig(url="sqlite:///notebook.db"))
"""


@pytest.fixture(autouse=True)
def of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user's Jupyter is read or written."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("AP_ADMIN_PASSWORD", PASSWORD)
    monkeypatch.delenv("AP_CONFIG", raising=False)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with kernel_in(tmp_path) as kernel:
        kernel.run(NAMES)
        yield kernel


def executed(notebook: nbformat.NotebookNode, directory: Path) -> list[nbformat.NotebookNode]:
    """The outputs of a notebook whose cells all succeed."""
    resources = {"metadata": {"path": str(directory)}}
    client = NotebookClient(notebook, timeout=2 * SECONDS, resources=resources)
    client.execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def refuses(url: str) -> bool:
    """Whether nobody listens there."""
    address = urlsplit(url)
    with socket.socket() as caller:
        return caller.connect_ex((address.hostname, address.port)) != 0


@pytest.mark.parametrize("times", [1, 2], ids=["once", "every cell twice"])
def test_the_example_runs_as_it_stands(tmp_path: Path, times: int) -> None:
    notebook = nbformat.read(EXAMPLE, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    cells = [copy.deepcopy(cell) for cell in notebook.cells for _ in range(times)]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    notebook.cells = cells
    outputs = executed(notebook, tmp_path)
    assert {output.output_type for output in outputs} == {"execute_result"}
    assert PASSWORD not in str(outputs)
    pages = [o.data["text/html"] for o in outputs if "/console/" in o.data.get("text/html", "")]
    assert len(pages) == times
    urls = {re.findall('href="(http[^"]+)"', page)[0] for page in pages}
    assert len(urls) == times
    assert all(refuses(url) for url in urls)
    texts = [output.data["text/plain"] for output in outputs]
    stats = [text for text in texts if text.startswith("FeedStats(")]
    counts = [43 * (n + 1) for n in range(times)]  # records of the cell, each time it is run
    assert [text.partition(", refused")[0] for text in stats] == [
        f"FeedStats(taken={count}, stored={count}" for count in counts
    ]
    assert sum(re.search(r"acknowledged +admin", text) is not None for text in texts) == times


@OUTSIDE
def test_cells_feed_and_read_in_the_running_loop(kernel: Kernel, way: str) -> None:
    kernel.run(f"dashboard = Dashboard.{way}(config())\nfeed = dashboard.start()")
    kernel.run("import asyncio\nassert asyncio.get_running_loop().is_running()")
    kernel.run("feed.record_trade(TRADE)")
    login = f"username='admin', password={PASSWORD!r}"
    kernel.run(f"client = SyncDashboardClient(feed.url, {login})")
    assert kernel.value("[trade['symbol'] for trade in client.trades()]") == ["AAPL"]
    kernel.run("with client.stream('trades', snapshot=True) as stream: event = next(iter(stream))")
    assert kernel.value("event.data['symbol']") == "AAPL"
    kernel.run("client.close()\ndashboard.close()")


def test_a_cell_may_await_a_dashboard_in_its_own_loop(kernel: Kernel) -> None:
    kernel.run(
        "async with Dashboard(config()) as dashboard:\n"
        "    stored = await dashboard.feed.record_trade(TRADE)\n"
        "    shown = dashboard._repr_html_()"
    )
    assert kernel.value("stored['symbol']") == "AAPL"
    assert "/console/" in kernel.value("shown")


@OUTSIDE
def test_an_interrupted_cell_leaves_feed_and_client_usable(kernel: Kernel, way: str) -> None:
    kernel.run(f"dashboard = Dashboard.{way}(config())\nfeed = dashboard.start()")
    login = f"username='admin', password={PASSWORD!r}"
    kernel.run(f"client = SyncDashboardClient(feed.url, {login})")
    feeding = "while True:\n    print(feed.record_trade(TRADE)['id'])"
    assert kernel.interrupted(feeding) == "KeyboardInterrupt"
    following = (
        "with client.stream('trades') as stream:\n"
        "    print('subscribed')\n"
        "    for event in stream: pass"
    )
    assert kernel.interrupted(following) == "KeyboardInterrupt"
    assert kernel.value("feed.record_trade({**TRADE, 'id': 'after'})['id']") == "after"
    assert kernel.value("client.trade('after')['id']") == "after"
    assert kernel.value("set(feed.health().values())") == {"ok"}


@OUTSIDE
def test_a_kernel_that_is_restarted_finds_its_port_free(kernel: Kernel, way: str) -> None:
    starting = f"feed = Dashboard.{way}(config({{}})).start()\nfeed.record_trade(TRADE)"
    url = kernel.value("feed.url", starting.format(0))
    kernel.restart()
    kernel.run(NAMES)
    assert kernel.value("feed.url", starting.format(urlsplit(url).port)) == url


@OUTSIDE
def test_a_kernel_that_is_killed_leaves_no_process_and_no_port(kernel: Kernel, way: str) -> None:
    kernel.run(f"dashboard = Dashboard.{way}(config())\nfeed = dashboard.start()")
    url = kernel.value("feed.url")
    pid = kernel.value("dashboard.pid") if way == "in_process" else None
    kernel.kill()
    until(lambda: refuses(url))
    if pid is not None:
        until(lambda: not lives(pid))
