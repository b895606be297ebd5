"""The command line, run: in a process of its own, or here."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
Here = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """This one's without anything that configures a dashboard."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AP_")}
    return {**clean, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **more}


def run(
    tmp_path: Path, *args: str, stdin: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alphapulse_api", *args],
        cwd=tmp_path,
        env=environment(tmp_path, **env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


class Process:
    """A serving process, up. What it says is read all the while, or its pipe would fill."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.said = ""
        self._up = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def read_to_the_end(self) -> None:
        """Wait until the process has closed its pipe."""
        await self._reading

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.said += line.decode()
            if not self.url and (found := re.search(r"serving (http://\S+)", self.said)):
                self.url = found[1]
                self._up.set()
        self._up.set()

    async def up(self) -> None:
        """Wait until it serves."""
        async with asyncio.timeout(30):
            await self._up.wait()
        assert self.url, f"it ended: {self.said}"

    async def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        await self.read_to_the_end()
        return await self.process.wait()


@asynccontextmanager
async def serving(tmp_path: Path, *args: str, **env: str) -> AsyncIterator[Process]:
    process = Process(
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "alphapulse_api", *(args or ("serve", "--port", "0")),
            cwd=tmp_path,
            env=environment(tmp_path, **env),
            stderr=asyncio.subprocess.PIPE,
        )
    )  # fmt: skip
    try:
        await process.up()
        yield process
    finally:
        if process.process.returncode is None:
            process.process.kill()
        await process.read_to_the_end()
        await process.process.wait()


@asynccontextmanager
async def one_worker(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a gunicorn with one worker; it must end well."""
    # In a file, whose unknown settings gunicorn ignores: older releases have no control socket.
    (tmp_path / "gunicorn.conf.py").write_text("control_socket_disable = True\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0",
        "--worker-class", "alphapulse_api.http.server.gunicorn.Worker",
        "alphapulse_api.app:create_app()",
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    try:
        async with asyncio.timeout(30):
            while (found := re.search(r"Listening at: (http://\S+)", said)) is None:
                line = await process.stderr.readline()
                assert line, f"it ended: {said}"
                said += line.decode()
        yield found[1]
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
