"""Fixtures on real parts: real files, real sockets on free ports, real callers."""

from __future__ import annotations

import gc
import io
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

from alphapulse_api import Config, Dashboard
from alphapulse_api.auth import passwords
from alphapulse_api.backend import Backend
from alphapulse_api.cli import main
from alphapulse_api.config import AuthConfig, CacheConfig, DatabaseConfig, RateLimitConfig
from alphapulse_api.storage.engine import Engine
from tests import postgres as postgres_server
from tests import redis_server, view
from tests.clock import LoopClock
from tests.commands import Here
from tests.engines import Fresh, empty_store, opened, opened_postgres
from tests.forging import SECRET
from tests.postgres import Postgres

PASSWORD = "correct horse battery"

# No test is timed; and what CI runs twice, it runs the same way: new examples are found by people,
# who can look at them.
settings.register_profile("everywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("everywhere"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "everywhere")


def pytest_collection_finish() -> None:
    """Keep the collector from visiting what was imported and collected: it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let a worker with nothing left to do take tests of another, unless `--dist` says otherwise.

    By default workers get them in turns, and each of them then starts what a module shares.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


class Server:
    """A running dashboard and a session to talk to it."""

    def __init__(self, dashboard: Dashboard, session: aiohttp.ClientSession) -> None:
        self.dashboard = dashboard
        self.feed = dashboard.feed
        self.session = session
        self.url = dashboard.url

    async def login(self, role: str = "admin", username: str | None = None) -> dict[str, str]:
        """Headers of a fresh user of that role."""
        username = username or role
        await self.dashboard.accounts.set_user(username, role, PASSWORD)
        form = {"grant_type": "password", "username": username, "password": PASSWORD}
        async with self.session.post(f"{self.url}/token", data=form) as response:
            assert response.status == 200, await response.text()
            return {"Authorization": f"Bearer {(await response.json())['access_token']}"}

    async def key(self, *scopes: str, name: str = "bot") -> dict[str, str]:
        """Headers of a fresh API key; every view_* and those scopes."""
        from alphapulse_api.auth.permissions import VIEWS

        _, key = await self.dashboard.accounts.create_api_key(name, {*VIEWS, *scopes})
        return {"X-API-Key": key}

    @property
    def backend(self) -> Backend:
        """The parts of the dashboard."""
        return view.backend(self.dashboard)

    def request(self, method: str, path: str, **kwargs: Any) -> Any:
        """`async with server.request("GET", "/api/me", headers=…) as response`."""
        return self.session.request(method, self.url + path, **kwargs)

    async def json(self, path: str, headers: dict[str, str], **params: Any) -> Any:
        """The JSON of a GET that succeeds."""
        async with self.request("GET", path, headers=headers, params=params) as response:
            assert response.status == 200, await response.text()
            return await response.json()


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture(scope="session", autouse=True)
def _bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the processes that tests start share bytecode where none may be written beside sources.

    Containers often forbid it (PYTHONDONTWRITEBYTECODE), and then each process compiles everything.
    """
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            folder = tmp_path_factory.getbasetemp().parent / "bytecode"
            patch.setenv("PYTHONPYCACHEPREFIX", str(folder))
        yield


@pytest.fixture(autouse=True)
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same argon2id, at a thousandth of the cost: every server starts with one hash."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "hasher", cheap)


@pytest.fixture
async def clock() -> LoopClock:
    """The clock of the test's event loop, to be moved on."""
    return LoopClock()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A free port, a database of its own, no limit that a test did not ask for."""
    monkeypatch.setenv("AP_ADMIN_PASSWORD", PASSWORD)
    monkeypatch.delenv("AP_CONFIG", raising=False)
    store = empty_store(tmp_path / "test.db")
    return Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{store}"),
        rate_limit=RateLimitConfig(enabled=False),
    )


@pytest.fixture(scope="session")
def _redis() -> Iterator[str]:
    with redis_server.shared() as url:
        yield url


@pytest.fixture
def redis_url(_redis: str) -> str:
    """An empty Redis, shared with the tests before and after: not to be harmed."""
    redis_server.empty(_redis)
    return _redis


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, shared with the tests before and after: not to be harmed."""
    with postgres_server.shared() as server:
        yield server


@pytest.fixture(scope="module")
def mortal() -> Iterator[Postgres]:
    """A server of a module's own; what it has acknowledged survives its sudden end."""
    with postgres_server.server("max_connections = 50\nautovacuum = off\n") as server:
        server.folder  # noqa: B018 (skips)
        yield server


@pytest.fixture
async def postgres_url(postgres: Postgres) -> str:
    """A new database with an empty store."""
    return await postgres.copied()


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """`async with fresh() as engine`: each time an empty store, on either engine."""
    if request.param == "sqlite":
        return lambda: opened(empty_store(tmp_path_factory.mktemp("db") / "store.db"))
    server = request.getfixturevalue("postgres")
    return lambda: opened_postgres(server)


@pytest.fixture
async def engine(fresh: Fresh) -> AsyncIterator[Engine]:
    """An empty store, on either engine."""
    async with fresh() as engine:
        yield engine


@pytest.fixture
async def serve(config: Config) -> AsyncIterator[Serve]:
    """Start dashboards: `server = await serve(websocket=WebSocketConfig(ping_interval=1))`.

    One at a time may serve an SQLite file; several need `shared_store`.
    """
    async with AsyncExitStack() as stack:

        async def start(accessors: dict[str, Any] | None = None, **sections: Any) -> Server:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            dashboard = Dashboard(replace(config, **sections), **(accessors or {}))
            await stack.enter_async_context(dashboard)
            return Server(dashboard, session)

        yield start


@pytest.fixture
async def server(serve: Serve) -> Server:
    """A dashboard with the defaults of `config`."""
    return await serve()


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
        sections["database"] = DatabaseConfig(url=await postgres.emptied())
    return await serve(**sections)
