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
    """A serving process, up."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, said: str) -> None:
        self.process = process
        self.url = url
        self.said = said

    async def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        assert self.process.stderr is not None
        self.said += (await self.process.stderr.read()).decode()
        return await self.process.wait()


@asynccontextmanager
async def serving(tmp_path: Path, *args: str, **env: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alphapulse_api", *(args or ("serve", "--port", "0")),
        cwd=tmp_path,
        env=environment(tmp_path, **env),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = ""
        async with asyncio.timeout(30):
            while not (url := re.search(r"serving (http://\S+)", said)):
                line = await process.stderr.readline()
                assert line, f"it ended: {said}"
                said += line.decode()
        yield Process(process, url[1], said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
