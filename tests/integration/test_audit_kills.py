"""kill -9 of a process that changes alerts: each change has an entry in the audit log."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.engines import connected, opened
from tests.postgres import Postgres

# Raises alerts, acknowledges and resolves them, until it is killed.
WRITER = """
import asyncio, sys, uuid
from alphapulse_api import Config, Dashboard

async def one(feed):
    alert = await feed.raise_alert({"title": "t", "severity": "info"})
    await feed.acknowledge_alert(alert["id"], "ann")
    await feed.resolve_alert(alert["id"])

async def main():
    secret = {"jwt_secret": "0" * 32}
    config = Config.from_mapping({"database": {"url": sys.argv[1]}, "auth": secret})
    async with Dashboard(config, serve=False) as dashboard:
        while True:
            await asyncio.gather(*(one(dashboard.feed) for _ in range(20)))
            print("stored", flush=True)

asyncio.run(main())
"""
LONGEST = 0.1  # seconds between a round and the kill
CHANGES = {
    "alert.acknowledge": "SELECT id FROM alerts WHERE acknowledged",
    "alert.resolve": "SELECT id FROM alerts WHERE status = 'resolved'",
}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_deed_and_its_entry_are_stored_together(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if kind == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = await postgres.emptied()
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"stored\n"
        await asyncio.sleep(random.uniform(0, LONGEST))
        process.kill()
        await process.communicate()
    async with connected(url) if kind == "postgres" else opened(tmp_path / "store.db") as engine:
        for action, sql in CHANGES.items():
            changed = sorted(await engine.fetch(sql))
            noted = await engine.fetch(
                "SELECT target_id FROM audit WHERE action = $1 ORDER BY target_id", action
            )
            assert len(changed) >= 40
            assert list(map(tuple, changed)) == list(map(tuple, noted))
