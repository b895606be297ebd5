"""The lines of docs/recipes.md, run as they stand against a real server."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.auth.permissions import VIEWS
from tests.analysis import DAYS, TRADES, fed
from tests.code_blocks import code_blocks
from tests.commands import ROOT
from tests.conftest import Server

PAGE = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
SECONDS = 30
THERE = "127.0.0.1:8080"


class Shell:
    """Runs lines in a folder of their own, with a key in the environment."""

    def __init__(self, server: Server, key: str, folder: Path) -> None:
        self._here = server.url.removeprefix("http://")
        self.folder = folder
        # websocat comes with the tests, into the environment that runs them.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = {**os.environ, "AP_API_KEY": key, "PATH": path}

    async def _start(self, lines: str) -> asyncio.subprocess.Process:
        assert lines.startswith("set -") or THERE in lines or "$URL" in lines
        return await asyncio.create_subprocess_exec(
            "bash", "-c", lines.replace(THERE, self._here),
            cwd=self.folder,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    async def run(self, lines: str) -> str:
        """What lines print, which end well."""
        process = await self._start(f"set -euo pipefail\n{lines}")
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    @asynccontextmanager
    async def listening(self, lines: str) -> AsyncIterator[asyncio.StreamReader]:
        """What lines go on printing, until the block ends."""
        process = await self._start(f"set -euo pipefail\n{lines}")
        assert process.stdout is not None
        try:
            async with asyncio.timeout(SECONDS):
                yield process.stdout
        finally:
            # The whole pipe: it is a session of its own.
            os.killpg(process.pid, signal.SIGTERM)
            await process.communicate()


async def received(stream: asyncio.StreamReader, kind: str) -> dict[str, Any]:
    """The next message of that type."""
    while line := await stream.readline():
        message: dict[str, Any] = json.loads(line)
        assert message["type"] != "error", message
        if message["type"] == kind:
            return message
    raise AssertionError(f"it ended without {kind}")


@pytest.fixture
async def shell(server: Server, tmp_path: Path) -> Shell:
    await fed(server.feed)
    _, key = await server.dashboard.accounts.create_api_key("shell", {*VIEWS, "publish"})
    (tmp_path / "shell").mkdir()
    return Shell(server, key, tmp_path / "shell")


async def test_the_curl_lines_get_what_they_say(server: Server, shell: Shell) -> None:
    begin, reading, paging, etag, publishing = code_blocks(PAGE, "curl")

    found = await shell.run(begin + reading)
    assert (shell.folder / "key.header").stat().st_mode & 0o077 == 0
    with (shell.folder / "trades.csv").open(newline="") as file:
        assert {row["symbol"] for row in csv.DictReader(file)} == {"AAPL"}
    *lines, alerts = found.splitlines()
    newest = [json.loads(line) for line in lines if line.startswith("{")]
    assert {point["name"] for point in newest} == {"var_95", "current_drawdown"}
    buckets = csv.DictReader(io.StringIO("\n".join(x for x in lines if not x.startswith("{"))))
    assert all(float(row["avg"]) <= float(row["p95"]) for row in buckets)
    assert buckets.line_num > DAYS
    assert [alert["id"] for alert in json.loads(alerts)] == ["a-2"]

    await shell.run(begin + paging.replace("limit=1000", "limit=2"))
    pages = (shell.folder / "pages.json").read_text().replace("][", "]\n[").splitlines()
    assert [len(json.loads(page)) for page in pages] == [2, 2, 2]

    first, second = etag.splitlines()
    await shell.run(begin + first)
    portfolio = shell.folder / "portfolio.json"
    assert json.loads(portfolio.read_bytes())["currency"] == "USD"
    status = await shell.run(begin + second.replace("curl ", "curl -w '%{http_code}' "))
    assert status == "304"
    assert json.loads(portfolio.read_bytes())["currency"] == "USD"

    assert (await shell.run(begin + publishing)).count('{"accepted":1}') == 2
    reader = await server.key(name="reader")
    (beta,) = await server.json("/api/metrics/risk/latest", reader, name="beta")
    assert beta["value"] == 1.1


async def test_the_websocat_lines_follow_what_they_say(server: Server, shell: Shell) -> None:
    begin = code_blocks(PAGE, "curl")[0]
    await shell.run(begin)
    present, some, resumed = code_blocks(PAGE, "websocat")
    trade = {"symbol": "AAPL", "side": "buy", "quantity": "1", "price": "190.00"}

    async with shell.listening(present) as stream:
        assert set((await received(stream, "subscribed"))["channels"]) == {"trades", "alerts"}
        ids = [(await received(stream, "trade"))["data"]["id"] for _ in TRADES]
        assert ids == [trade["id"] for trade in TRADES]
        await server.feed.record_trade({**trade, "id": "live"})
        assert (await received(stream, "trade"))["data"]["id"] == "live"

    async with shell.listening(some) as stream:
        assert set((await received(stream, "subscribed"))["channels"]) == {"metrics", "portfolio"}
        for name in ("beta", "var_95"):
            await server.feed.record_metrics({"metric_type": "risk", "name": name, "value": 1})
        assert (await received(stream, "metric"))["data"]["name"] == "var_95"

    async with shell.listening(resumed) as stream:
        assert (await received(stream, "subscribed"))["channels"]["trades"]["resumed"] is True
        assert json.loads((shell.folder / "trades.json").read_bytes())[0]["id"] == "live"
        await server.feed.record_trade({**trade, "id": "next"})
        assert (await received(stream, "trade"))["data"]["id"] == "next"


def test_the_files_that_the_recipes_name_are_there() -> None:
    for target in re.findall(r"\]\(([\w./-]+)(?:#\w+)?\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
