"""Fixtures of several of these files: servers, the command line in this process, caches, Redis."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from alphapulse_api.cli import main
from alphapulse_api.config import AuthConfig, CacheConfig, DatabaseConfig
from tests.commands import Here
from tests.conftest import Serve, Server
from tests.forging import SECRET
from tests.postgres import Postgres


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Here]:
    """The same as `run` without a process around it, which costs a second."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("AP_")]:
        monkeypatch.delenv(name)

    def run_here(*args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["alphapulse_api", *args])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        for name in env:
            monkeypatch.delenv(name)
        said = capsys.readouterr()
        code = int(ended.value.code or 0)
        return subprocess.CompletedProcess(args, code, said.out, said.err)

    # `serve` sends the log to the standard error of its moment, which is closed with the test.
    loggers = [logging.getLogger(name) for name in ("alphapulse_api", "aiohttp")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield run_here
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.fixture(params=["memory", "redis"])
def either_cache(request: pytest.FixtureRequest) -> CacheConfig:
    """One kind of cache after the other."""
    if request.param == "memory":
        return CacheConfig()
    return CacheConfig(type="redis", redis_url=request.getfixturevalue("redis_url"))


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """Looks at what is kept in Redis from outside, and harms it."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def shared_store(postgres: Postgres) -> dict[str, Any]:
    """The sections of a database that several processes serve at once."""
    return {
        "database": DatabaseConfig(url=await postgres.emptied()),
        "auth": AuthConfig(jwt_secret=SECRET),
    }


@pytest.fixture(params=["sqlite", "postgres"])
async def either(serve: Serve, request: pytest.FixtureRequest) -> Server:
    """A server on either engine."""
    sections: dict[str, Any] = {"auth": AuthConfig(jwt_secret=SECRET)}
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        sections["database"] = DatabaseConfig(url=await postgres.new())
    return await serve(**sections)
