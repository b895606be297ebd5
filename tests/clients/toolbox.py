"""Linters, generators and compilers, run on the documents of a server."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
# A Node of its own: Debian's is too old for some generators, and its npm does not link this one.
BIN = (*MODULES.glob("node-linux-*/bin"), MODULES / ".bin", HERE / ".venv" / "bin")
# Modules of Go as Debian packages them. They have no versions, and the generated code names some.
GOCODE = Path("/usr/share/gocode")
THERE = "http://127.0.0.1:8080"  # the server in the documents
SECONDS = 110


class Toolbox:
    """Runs commands in a folder, where a server stands for the one that the documents name.

    Attributes:
        folder: where the commands run. Its name is that of a package of Go.
        url: of the server; to be set before one is asked.
    """

    url = THERE

    def __init__(self, folder: Path) -> None:
        for path in BIN:
            assert path.is_dir(), f"{path} is missing: run {HERE / 'install'}"
        self.folder = folder
        (folder / "node_modules").symlink_to(MODULES)
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AP_", "VIRTUAL_ENV"))},
            "PATH": os.pathsep.join([*map(str, BIN), os.environ["PATH"]]),
            "GO111MODULE": "off",
            "GOPATH": f"{folder.parents[2]}:{GOCODE}",
        }

    def write(self, name: str, text: str) -> Path:
        """A file in the folder, in which our server takes the place of the documents'."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(THERE, self.url), encoding="utf-8")
        return path

    async def start(self, *command: str, **environment: str) -> asyncio.subprocess.Process:
        """A command that goes on; its output is a pipe."""
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={**self._environment, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    def kill(self, process: asyncio.subprocess.Process) -> None:
        """End a command and all that it started, such as the program behind `go run`."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    async def run(self, *command: str, **environment: str) -> str:
        """What a command prints, which ends well."""
        process = await self.start(*command, **environment)
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate()
        finally:
            self.kill(process)
            await process.wait()
        assert process.returncode == 0, f"{command}\n{out.decode()}\n{err.decode()}"
        return out.decode()

    async def shell(self, lines: str, **environment: str) -> str:
        """What lines of a shell print, which end well."""
        lines = lines.replace(THERE, self.url)
        return await self.run("bash", "-c", f"set -euo pipefail\n{lines}", **environment)
