"""Every example runs as its docstring says, against the real thing."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from alphapulse_api.auth.permissions import VIEWS
from tests.conftest import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 30


async def start(name: str, *args: str, **environment: str) -> asyncio.subprocess.Process:
    """An example that runs."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / name),
        *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )


async def finish(process: asyncio.subprocess.Process) -> str:
    """The rest of the output of an example, which ends well."""
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def run(name: str, *args: str, **environment: str) -> str:
    """The output of an example that ends well."""
    return await finish(await start(name, *args, **environment))


async def test_a_dashboard_lives_in_an_asyncio_trading_loop(tmp_path: Path) -> None:
    database = str(tmp_path / "asyncio.db")
    options = ("--port", "0", "--steps", "20", "--pause", "0", "--database", database)
    out = await run("embed_asyncio.py", *options, AP_ADMIN_PASSWORD="a password")
    assert out.startswith("dashboard: http://127.0.0.1:")
    assert "ended with 99" in out or "ended with 100" in out


async def test_a_dashboard_lives_beside_a_synchronous_loop(tmp_path: Path) -> None:
    database = str(tmp_path / "thread.db")
    options = ("--port", "0", "--steps", "20", "--pause", "0", "--database", database)
    out = await run("embed_thread.py", *options, AP_ADMIN_PASSWORD="a password")
    assert "recorded 20 trades" in out


async def test_a_dashboard_lives_in_a_process_beside_a_trading_loop(tmp_path: Path) -> None:
    database = str(tmp_path / "process.db")
    options = ("--port", "0", "--steps", "20", "--pause", "0", "--database", database)
    out = await run("embed_process.py", *options, AP_ADMIN_PASSWORD="a password")
    assert out.startswith("dashboard: http://127.0.0.1:")
    assert "stored 41 of 41 records" in out


async def test_what_one_process_publishes_another_streams(server: Server) -> None:
    _, publisher = await server.dashboard.accounts.create_api_key("bot", {*VIEWS, "publish"})
    _, viewer = await server.dashboard.accounts.create_api_key("screen")
    publish = ("publish_client.py", server.url, "--count", "3")
    await run(*publish, AP_API_KEY=publisher)
    # The present state: one series, one alert, three trades, the portfolio; then as many events
    # as the next publishing makes: three points, an alert, three trades, a portfolio.
    stream = await start("stream_client.py", server.url, "--count", "14", AP_API_KEY=viewer)
    assert stream.stdout is not None
    async with asyncio.timeout(SECONDS):
        present = [(await stream.stdout.readline()).decode() for _ in range(6)]
    assert [line.split()[0] for line in present] == [
        "metrics", "alerts", "trades", "trades", "trades", "portfolio",
    ]  # fmt: skip
    await run(*publish, AP_API_KEY=publisher)
    live = [line.split()[0] for line in (await finish(stream)).splitlines()]
    assert sorted(live) == ["alerts", *["metrics"] * 3, "portfolio", *["trades"] * 3]
