"""Several workers under gunicorn, as conf/ runs them, and a way to talk to one of them."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.commands import ROOT, environment
from tests.conftest import PASSWORD
from tests.socket_client import Client
from tests.waiting import until

SECRET = "a secret of the tests, of no fewer than 32 bytes"


def production(database_url: str, redis_url: str) -> dict[str, str]:
    """The environment that conf/production.yaml asks for, and a free port."""
    return {
        "AP_CONFIG": str(ROOT / "conf" / "production.yaml"),
        "AP_PORT": "0",
        "AP_DATABASE_URL": database_url,
        "AP_REDIS_URL": redis_url,
        "AP_JWT_SECRET": SECRET,
    }


class Worker:
    """One worker, by a connection that it alone answers."""

    def __init__(self, url: str, session: aiohttp.ClientSession, number: int) -> None:
        self.url = url
        self.number = number
        self._session = session

    async def ask(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        """Status and content."""
        async with self._session.request(method, self.url + path, **kwargs) as response:
            return response.status, await response.json(content_type=None)

    @asynccontextmanager
    async def socket(self, headers: dict[str, str]) -> AsyncIterator[Client]:
        """A socket of this worker; uses its connection up."""
        async with self._session.ws_connect(f"{self.url}/ws", headers=headers) as ws:
            client = Client(ws)
            await client.receive("welcome")
            await client.receive("authenticated")
            yield client


class Workers:
    """A gunicorn and what it says, read all the while, or its pipe would fill."""

    def __init__(self, process: asyncio.subprocess.Process, stack: AsyncExitStack) -> None:
        self.process = process
        self.url = ""
        self.said = ""
        self.admin: dict[str, str] = {}
        self._stack = stack
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._changed:
                self.said += line.decode()
                self._changed.notify_all()
        async with self._changed:
            self._changed.notify_all()

    async def says(self, pattern: str) -> re.Match[str]:
        """Wait until it has said something like it."""
        async with asyncio.timeout(30), self._changed:
            while (found := re.search(pattern, self.said)) is None:
                assert self.process.returncode is None, f"it ended: {self.said}"
                assert not self._reading.done(), f"it ended: {self.said}"
                await self._changed.wait()
        return found

    async def up(self) -> None:
        """Wait until it serves, and log in."""
        self.url = (await self.says(r"Listening at: (http://\S+)"))[1]
        made_up = re.search(r"made the user 'admin' with the password (\S+)", self.said)
        password = PASSWORD if made_up is None else made_up[1]
        form = {"grant_type": "password", "username": "admin", "password": password}
        async with (
            asyncio.timeout(30),
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/token", data=form) as response,
        ):
            assert response.status == 200, await response.text()
            self.admin = {"Authorization": f"Bearer {(await response.json())['access_token']}"}

    async def worker(self, number: int) -> Worker:
        """A new connection to that worker: the kernel distributes them, so others are kept open."""
        async with asyncio.timeout(30):
            while True:
                connector = aiohttp.TCPConnector(limit=1)
                session = await self._stack.enter_async_context(
                    aiohttp.ClientSession(connector=connector)
                )
                url = f"{self.url}/metrics"
                async with session.get(url, headers=self.admin) as response:
                    figures = await response.text()
                    assert response.status == 200, figures
                if f'alphapulse_writes_waiting{{worker="{number}"}}' in figures:
                    return Worker(self.url, session, number)

    def alive(self) -> list[int]:
        """The process ids of the workers."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    async def replaced(self, old: Collection[int], count: int = 1) -> None:
        """Wait until none of the old workers is left, and at least `count` others run."""
        await until(lambda: not {*old} & {*self.alive()} and len(self.alive()) >= count)

    async def stop(self) -> int:
        """End it as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        await self._reading
        return await self.process.wait()


@asynccontextmanager
async def gunicorn(
    tmp_path: Path, database_url: str, redis_url: str, *, count: int = 2, **env: str
) -> AsyncIterator[Workers]:
    """conf/gunicorn.conf.py with conf/production.yaml on a free port."""
    variables = {
        **production(database_url, redis_url),
        "AP_ADMIN_PASSWORD": PASSWORD,
        "WEB_CONCURRENCY": str(count),
        **env,
    }
    async with AsyncExitStack() as stack:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gunicorn", "--config", str(ROOT / "conf" / "gunicorn.conf.py"),
            cwd=tmp_path,
            env=environment(tmp_path, **variables),
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        workers = Workers(process, stack)
        try:
            await workers.up()
            yield workers
        finally:
            if process.returncode is None:
                await workers.stop()
