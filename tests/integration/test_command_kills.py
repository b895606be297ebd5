"""kill -9 of the server and of the host: no command is carried out twice, or after its ttl."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.client import DashboardClient
from alphapulse_api.domain.commands import FINAL
from tests.commands import ROOT
from tests.postgres import Postgres

SERVER = """
import asyncio, json, sys
from alphapulse_api import Config, Dashboard

async def main():
    config = Config.from_mapping(json.loads(sys.argv[1]))
    async with Dashboard(config, first_user=False) as dashboard:
        print(dashboard.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
# Writes down each command before it answers, as an agent that acts would.
HOST = """
import asyncio, os, sys, time
from alphapulse_api.client import DashboardClient

async def main():
    url, key, path = sys.argv[1:]
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    print("started", flush=True)
    async with DashboardClient(url, api_key=key, rand=lambda: 0.05) as client:
        async for command in client.commands("m1"):
            os.write(file, f"{command.id} {time.time()}\\n".encode())
            await command.done()

asyncio.run(main())
"""
PASSWORD = "correct horse battery staple"
TTL = 2  # seconds
TIMEOUT = 2  # seconds for the answer
LONGEST = 0.5  # seconds between two kills


class Process:
    """One that is killed and started again, until the end."""

    def __init__(self, script: str, arguments: Callable[[], list[str]]) -> None:
        self._script = script
        self._arguments = arguments
        self._running: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start it; returns its first line."""
        self._running = await asyncio.create_subprocess_exec(
            sys.executable, "-c", self._script, *self._arguments(),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._running.stdout is not None
        return (await self._running.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        assert self._running is not None
        self._running.kill()
        await self._running.communicate()


async def prepared(sections: dict[str, Any]) -> str:
    """A user who sends, an agent that obeys; returns the agent's key."""
    async with Dashboard(Config.from_mapping(sections), serve=False) as dashboard:
        await dashboard.accounts.set_user("ann", "operator", PASSWORD)
        declared = [{"name": "pause", "level": "basic", "timeout": TIMEOUT}]
        await dashboard.feed.update_agent("m1", {"commands": declared})
        _, key = await dashboard.accounts.create_api_key("m1", {"execute"}, agents=["m1"])
        return key


async def kill_at_random(processes: list[Process]) -> None:
    while True:
        await asyncio.sleep(random.uniform(0, LONGEST))
        process = random.choice(processes)
        await process.kill()
        await process.start()


async def survive(sections: dict[str, Any], folder: Path, count: int, senders: int) -> None:
    key = await prepared(sections)
    done = folder / "done"
    address = {"port": 0}
    server = Process(SERVER, lambda: [json.dumps({**sections, **address})])
    url = await server.start()
    address["port"] = int(url.rpartition(":")[2])
    host = Process(HOST, lambda: [url, key, str(done)])
    await host.start()
    killing = asyncio.create_task(kill_at_random([server, host]))
    ends: dict[str, Any] = {}
    async with DashboardClient(
        url, username="ann", password=PASSWORD, retries=30, rand=lambda: 0.05
    ) as client:

        async def send(number: int) -> None:
            sent = await client.send_command(
                "m1", {"id": f"c{number}", "name": "pause", "ttl": TTL}
            )
            command = sent
            while command["state"] not in FINAL:
                command = await client.command(sent["id"], wait=1)
            ends[sent["id"]] = command

        numbers = iter(range(count))

        async def sender() -> None:
            for number in numbers:
                await send(number)

        try:
            await asyncio.gather(*(sender() for _ in range(senders)))
        finally:
            killing.cancel()
            await asyncio.wait([killing])
            for process in (host, server):
                await process.kill()
    carried_out = [line.split() for line in done.read_text().splitlines()]
    assert max(Counter(command_id for command_id, _ in carried_out).values()) == 1
    for command_id, at in carried_out:
        command = ends[command_id]
        assert command["state"] in ("done", "failed"), command
        assert command["state"] == "done" or "no_answer" in command["detail"]
        assert float(at) <= command["expires_at"].timestamp()
    assert len(ends) == count
    acted = {command_id for command_id, _ in carried_out}
    assert {id_ for id_, command in ends.items() if command["state"] == "done"} <= acted
    assert acted


async def sections_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    url = f"sqlite:///{folder / 'store.db'}"
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = await postgres.emptied()
    return {
        "database": {"url": url},
        "auth": {"jwt_secret": "0" * 32},
        "rate_limit": {"requests_per_minute": 100_000},
    }


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_few_commands_survive_kills(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    await survive(await sections_of(kind, request, tmp_path), tmp_path, 8, 4)


@pytest.mark.kills
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_thousand_commands_survive_kills(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    await survive(await sections_of(kind, request, tmp_path), tmp_path, 500, 32)
