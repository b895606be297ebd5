"""Runs servers as child processes: pinned to a core, announced by a pipe, always stopped.

A server module is started as `python -m benchmarks.servers.<name> <work directory>`. It binds a
free port itself (port 0) and then calls `announce` once. The parent waits until that line arrives,
or the pipe closes because the child died. Nothing sleeps and nothing polls.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SERVER_CORE = 0
LOAD_CORE = 1
READY_FD_VARIABLE = "BENCHMARK_READY_FD"
READY_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
REPOSITORY = Path(__file__).resolve().parents[1]


class BenchmarkError(RuntimeError):
    """A server did not start, or gave an unexpected answer."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds so far."""

    cpu: float
    """User and system time of the server process, all its threads together."""
    stolen: float
    """Time for which the hypervisor gave the server's core to other machines (0 if unknown)."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its address, its token and its process."""

    name: str
    host: str
    port: int
    token: str
    process: psutil.Process

    def usage(self) -> Usage:
        """Its usage so far; take the difference of two readings."""
        times = self.process.cpu_times()
        core = psutil.cpu_times(percpu=True)[SERVER_CORE]
        return Usage(times.user + times.system, getattr(core, "steal", 0.0))


def pin(core: int, pid: int = 0) -> None:
    """Pin a process (0: this one) to one core; print a note if that is impossible."""
    if not hasattr(os, "sched_setaffinity"):
        print("note: this system cannot pin processes to cores", file=sys.stderr)
        return
    try:
        os.sched_setaffinity(pid, {core})
    except OSError as error:
        print(f"note: no core {core} to pin to ({error}); cores are shared", file=sys.stderr)


def announce(port: int, token: str = "") -> None:
    """Called by a server process once it accepts connections on 127.0.0.1:`port`."""
    with os.fdopen(int(os.environ[READY_FD_VARIABLE]), "w") as pipe:
        json.dump({"port": port, "token": token}, pipe)


@contextmanager
def running(name: str, *arguments: str) -> Iterator[Server]:
    """Run `servers/<name>.py` pinned to the server core for the length of the block.

    Raises:
        BenchmarkError: the process ended, or said nothing for READY_TIMEOUT seconds; the
            message carries what it wrote to standard error.
    """
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.servers.{name}", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, READY_FD_VARIABLE: str(writer)},
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            pin(SERVER_CORE, child.pid)
            os.close(writer)
            ready = _read_ready(reader)
            if ready is None:
                log.seek(0)
                raise BenchmarkError(f"server {name} did not start:\n{log.read().decode()}")
            yield Server(
                name, "127.0.0.1", ready["port"], ready["token"], psutil.Process(child.pid)
            )
        finally:
            os.close(reader)
            _stop(child)


def _read_ready(reader: int) -> dict[str, Any] | None:
    """The child's announcement; None if it died or stayed silent."""
    readable, _, _ = select.select([reader], [], [], READY_TIMEOUT)
    line = os.read(reader, 65536) if readable else b""
    ready: dict[str, Any] | None = json.loads(line) if line else None
    return ready


def _stop(child: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for a server that does not drain in STOP_TIMEOUT seconds."""
    child.terminate()
    try:
        child.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
