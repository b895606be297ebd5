"""The dashboard's own process: `python -m alphapulse_api.child`, started by its host.

Its standard input is a socket to the host. The process ends when that socket closes or the host
dies.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import pickle
import select
import signal
import socket
import sys
import threading
from time import sleep
from typing import Final

from alphapulse_api.domain.errors import ConfigError, StartupError, Unavailable
from alphapulse_api.embed.faults import described
from alphapulse_api.embed.frames import FrameReader, Kind, body_of, dumps, frame
from alphapulse_api.embed.hello import Hello
from alphapulse_api.embed.intake import Intake
from alphapulse_api.runtime.logs import configure_logging
from alphapulse_api.runtime.tuning import run, tune

logger = logging.getLogger(__name__)

READ_BYTES: Final = 1 << 18
END_SECONDS: Final = 10.0  # beyond shutdown_timeout, once the host is gone
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Serve one host until it closes the connection or dies."""
    # Ctrl-C is for the host, which then shuts this process down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_host()
    connection = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    hello, rest = _hello(connection)
    if hello is None or os.getppid() != hello.host_pid:
        return  # the host died before `_end_with_host` took effect
    os.nice(hello.niceness)
    configure_logging(hello.config.logging)
    tune()
    _watch(connection, hello.config.shutdown_timeout + END_SECONDS)
    run(_serve(hello, connection, rest))


def _end_with_host() -> None:
    """Ask the kernel for SIGTERM when the host dies, even during start-up. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _hello(connection: socket.socket) -> tuple[Hello | None, FrameReader]:
    frames = FrameReader()
    while data := connection.recv(READ_BYTES):
        for first in frames.feed(data):
            assert first.kind is Kind.HELLO
            # Safe to unpickle: it comes from the parent, over a socket that only we inherited.
            return pickle.loads(first.body), frames  # noqa: S301
    return None, frames


async def _serve(hello: Hello, connection: socket.socket, frames: FrameReader) -> None:
    from alphapulse_api.dashboard import Dashboard

    reader, writer = await asyncio.open_unix_connection(sock=connection)
    leave = asyncio.Event()

    def terminated() -> None:
        # Stopping a service may signal all of its processes. While the host lives, it decides when
        # this one ends.
        if os.getppid() != hello.host_pid:
            leave.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated)
    dashboard = Dashboard(hello.config, serve=hello.serve, first_user=hello.first_user)
    try:
        async with dashboard:
            addresses = dashboard.addresses
            place = None if addresses is None else tuple(addresses)
            writer.write(frame(Kind.READY, 0, body_of([dumps(place)])))
            intake = Intake(dashboard.feed, dashboard.health, writer)
            await intake.run(reader, frames, leave)
    except Exception as error:
        if not isinstance(error, (ConfigError, StartupError, Unavailable)):
            logger.exception("the dashboard's process failed")
        writer.write(frame(Kind.FAILED, 0, body_of([dumps(described(error))])))
        raise SystemExit(1) from error
    finally:
        writer.close()


def _watch(connection: socket.socket, seconds: float) -> None:
    """End this process `seconds` after the host is gone, even if the process hangs."""
    poll = select.poll()
    poll.register(connection.fileno(), getattr(select, "POLLRDHUP", 0))  # POLLHUP always counts

    def watch() -> None:
        poll.poll()
        sleep(seconds)
        os._exit(1)

    threading.Thread(target=watch, name="alphapulse-host-watch", daemon=True).start()


if __name__ == "__main__":
    main()
