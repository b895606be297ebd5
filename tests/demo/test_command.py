"""The demo as a user runs it: a process of its own, looked at over HTTP and the socket."""

import asyncio
import os
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from alphapulse_api.demo.command import prepare, run
from alphapulse_api.demo.opening import OPENING_DAYS
from alphapulse_api.demo.prices import load_prices
from alphapulse_api.demo.simulation import Simulation
from alphapulse_api.domain.errors import StartupError
from tests.waiting import SECONDS

PROGRAM = """
import asyncio, sys
from alphapulse_api.demo import command
command.OPENING_DAYS = int(sys.argv[3])
asyncio.run(command.run(port=0, speed=float(sys.argv[1]), fresh=False, database=sys.argv[2]))
"""


class Demo(NamedTuple):
    """A running demo, and a client that holds the key from its first screen."""

    process: Process
    screen: str
    session: aiohttp.ClientSession

    async def get(self, path: str) -> Any:
        async with self.session.get(path) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def replayed_days(self) -> int:
        points = await self.get("/api/metrics/system/latest?name=replay_day")
        return int(points[0]["value"]) + 1 if points else 0

    async def day_is_stored(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            if b"trades" in line:
                return

    async def reach(self, days: int) -> None:
        while await self.replayed_days() < days:
            await asyncio.sleep(0.2)


def make_older(folder: Path, hours: float) -> None:
    for file in folder.iterdir():
        os.utime(file, (time.time() - hours * 3600,) * 2)


@asynccontextmanager
async def demo(database: Path, speed: float, opening: int = 10) -> AsyncIterator[Demo]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(speed), str(database), str(opening), stdout=PIPE
    )
    try:
        assert process.stdout
        screen = (await process.stdout.readuntil(b"Ctrl-C")).decode()
        url = re.search(r"http://\S+", screen)
        key = re.search(r"apk_\w+", screen)
        assert url
        assert key
        async with aiohttp.ClientSession(url[0], headers={"X-API-Key": key[0]}) as session:
            yield Demo(process, screen, session)
    finally:
        if process.returncode is None:
            process.kill()
        # The pipe is read to its end, so that its transport closes.
        await process.communicate()


async def test_the_first_screen_is_full_in_the_first_second(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo.db", speed=0.2, opening=OPENING_DAYS) as running:
        await running.day_is_stored()  # the next one comes in five seconds
        place = re.search(r"It is at (\S+), pass 1, forwards in time", running.screen)
        assert place
        assert place[1] == "2009-09-25"
        assert await running.replayed_days() >= 504
        portfolio = await running.get("/api/portfolio?include_history=true&max_points=10000")
        history = portfolio["history"]
        assert len(history) >= 504
        first, last = (float(history[n]["total_value"]) for n in (0, -1))
        assert portfolio["performance"]["total_return"] == pytest.approx(last / first - 1)
        values, peak, deepest = [float(point["total_value"]) for point in history], 0.0, 0.0
        for value in values:
            peak = max(peak, value)
            deepest = max(deepest, 1 - value / peak)
        assert portfolio["performance"]["max_drawdown"] == pytest.approx(deepest)
        times = [datetime.fromisoformat(point["timestamp"]) for point in history]
        assert (times[-1] - times[0]).total_seconds() == pytest.approx(504 * 5, abs=60)
        assert len(await running.get("/api/trades?limit=10000")) > 300
        assert len(await running.get("/api/metrics/performance?name=total_value")) >= 504


async def test_every_resource_has_something_within_seconds(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo.db", speed=20) as running:
        await running.reach(12)
        portfolio = await running.get("/api/portfolio")
        assert portfolio["positions"]
        assert portfolio["positions"][0]["opened_at"]
        agents = {agent["agent_id"]: agent for agent in await running.get("/api/agents")}
        advisers = {"allocation", "momentum", "mean-reversion", "risk", "coin-flip"}
        assert agents.keys() == {*advisers, "manager", "host"}
        assert all(agents[name]["signals"] for name in advisers)
        alerts = await running.get("/api/alerts")
        assert alerts[-1]["id"] == "demo-0-2007-09-26-weekly-report"
        trades = await running.get("/api/trades?symbol=IBM")
        assert trades[-1]["id"] == "demo-0-2007-09-27-allocation-IBM"
        why = await running.get(f"/api/trades/{trades[-1]['id']}/why?book=main")
        assert why["missing"] == []
        assert {signal["agent_id"] for signal in why["signals"]} >= advisers
        assert all(signal["thesis"] for signal in why["signals"])
        assert why["decision"]["reasoning"].startswith("The agents ask for")
        assert why["profit"]["profit"]
        books = {book["id"]: book["mode"] for book in await running.get("/api/books")}
        assert books == {"main": "live", "paper": "paper"}
        assert (await running.get("/api/portfolio?book=paper"))["positions"]
        assert {sample["component"] for sample in await running.get("/api/system")} >= {
            "execution",
            "market-data",
            "risk-monitor",
            "replay",
        }
        (replay,) = await running.get("/api/system?component=replay&limit=1")
        assert re.fullmatch(r"2007-1\d-\d\d, pass 1, forwards in time", replay["message"])
        for metric_type in ("performance", "risk", "trade", "agent", "system", "price"):
            assert await running.get(f"/api/metrics/{metric_type}")


async def test_login_on_the_first_screen_works(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo.db", speed=2) as running:
        login = re.search(r"Login +(\S+) / (\S+)", running.screen)
        assert login
        form = {"grant_type": "password", "username": login[1], "password": login[2]}
        async with running.session.post("/token", data=form) as response:
            assert (response.status, (await response.json())["role"]) == (200, "operator")


async def test_all_four_channels_are_live(tmp_path: Path) -> None:
    async with (
        demo(tmp_path / "demo.db", speed=40) as running,
        running.session.ws_connect("/ws") as socket,
    ):
        channels = {"metrics", "alerts", "trades", "portfolio"}
        await socket.send_json({"type": "subscribe", "channels": sorted(channels)})
        async with asyncio.timeout(SECONDS):
            while channels:
                message = await socket.receive_json()
                channels.discard(message.get("channel", ""))


async def test_watch_command_prints_events(tmp_path: Path) -> None:
    async with demo(tmp_path / "demo.db", speed=40) as running:
        command = re.search(r"python\S* (-m alphapulse_api\.demo\.watch .*)", running.screen)
        assert command
        watching = await asyncio.create_subprocess_exec(
            sys.executable, *command[1].split(), stdout=PIPE
        )
        assert watching.stdout
        async with asyncio.timeout(SECONDS):
            lines = [await watching.stdout.readline() for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        await watching.communicate()
        assert all(line.startswith(b'{"type":') for line in lines)


@pytest.mark.kills
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
async def test_killed_and_restarted_it_goes_on_without_a_gap_or_a_double(tmp_path: Path) -> None:
    database = tmp_path / "demo.db"
    for days in (12, 65, 80):
        async with demo(database, speed=60) as running:
            await running.reach(days)
            running.process.kill()
    async with demo(database, speed=60) as running:
        await running.reach(95)
        running.process.send_signal(signal.SIGTERM)
        assert await running.process.wait() == 0

    async with demo(database, speed=0.1) as running:
        await running.day_is_stored()
        replayed = list(islice(Simulation(load_prices()), await running.replayed_days()))
        for path, records in {
            "/api/trades": [trade for day in replayed for trade in day.trades],
            "/api/alerts": [alert for day in replayed for alert in day.alerts],
        }.items():
            stored = [record["id"] for record in await running.get(f"{path}?limit=10000")]
            assert sorted(stored) == sorted(record["id"] for record in records)
        markers = await running.get("/api/metrics/system?name=replay_day&limit=10000")
        assert [point["value"] for point in markers] == list(range(len(replayed)))
        portfolio = await running.get("/api/portfolio?include_history=true&max_points=10000")
        values = [point["total_value"] for point in portfolio["history"]]
        assert values == [str(day.portfolio["total_value"]) for day in replayed]


async def test_fresh_begins_anew(tmp_path: Path) -> None:
    database, place = tmp_path / "demo.db", tmp_path / "demo.db.replay"
    async with demo(database, speed=60) as running:
        await running.reach(60)
    assert place.exists()
    prepare(str(database), fresh=True)
    assert not place.exists()
    assert not database.exists()


async def test_second_demo_on_one_database_is_refused(tmp_path: Path) -> None:
    database = tmp_path / "demo.db"
    async with demo(database, speed=2) as running:
        with pytest.raises(StartupError, match=r"a demo is running on .*demo\.db"):
            await run(port=0, speed=2, fresh=True, database=str(database))
        assert await running.get("/api/me")


async def test_demo_that_stopped_hours_ago_begins_anew(tmp_path: Path) -> None:
    database = tmp_path / "demo.db"
    async with demo(database, speed=40) as running:
        await running.reach(20)
    make_older(tmp_path, hours=4)
    async with demo(database, speed=2) as running:
        await running.reach(1)
        assert await running.replayed_days() < 20
