"""What a server logs and does at its start about the Redis of its configuration."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from redis.exceptions import MovedError

from alphapulse_api import Config, ConfigError, StartupError
from alphapulse_api.backend import Backend
from alphapulse_api.config import CacheConfig, DatabaseConfig, EventsConfig
from alphapulse_api.runtime import redis as redis_link
from tests.asking import TRADE, ask, problem
from tests.conftest import Serve, Server
from tests.redis_server import RedisServer, running
from tests.socket_client import connect
from tests.waiting import SECONDS

PASSWORD = "hunter2/with#marks@"
ESCAPED = "hunter2%2Fwith%23marks%40"


@pytest.fixture(scope="module")
def closed() -> Iterator[RedisServer]:
    """A Redis with a password, and users who may do less than all."""
    with running() as server:
        with server.client() as client:
            for user, rules in {
                "ours": ("~{alphapulse}:*", "+@all", "-@dangerous"),  # docs/operating.md
                "elsewhere": ("~other:*", "+@all"),
                "scriptless": ("~*", "+@all", "-@scripting"),
                "reader": ("~*", "+@read", "+@connection"),
            }.items():
                client.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *rules)
            client.config_set("requirepass", PASSWORD)
        yield server


def at(server: RedisServer, credentials: str, more: str = "") -> CacheConfig:
    return CacheConfig(
        type="redis", redis_url=f"redis://{credentials}@127.0.0.1:{server.port}/0{more}"
    )


async def works(server: Server) -> bool:
    """Whether the second of two questions is answered from the cache."""
    caller = await server.key()
    answers = [await ask(server, "GET", "/api/trades", caller) for _ in range(2)]
    return answers[1].headers["X-Cache"] == "HIT"


@pytest.mark.parametrize("user", ["", "default", "ours"])
async def test_a_password_opens_it(serve: Serve, closed: RedisServer, user: str) -> None:
    cache = at(closed, f"{user}:{ESCAPED}")
    server = await serve(cache=cache, events=EventsConfig(type="redis", redis_url=cache.redis_url))
    assert await works(server)
    caller = await server.key()
    async with connect(server, caller) as client:
        await client.ask(type="subscribe", channels=["trades"])
        await server.feed.record_trade(TRADE)
        await client.receive("trade")
    assert (await ask(server, "GET", "/readyz")).status == 200


@pytest.mark.parametrize(
    ("credentials", "word"),
    [
        (":wrong-secret", "password"),
        ("nobody:wrong-secret", "password"),
        (f"elsewhere:{ESCAPED}", "permission"),
        (f"scriptless:{ESCAPED}", "permission"),
        (f"reader:{ESCAPED}", "permission"),
    ],
)
async def test_a_redis_that_refuses_us_is_one_clear_line(
    config: Config, closed: RedisServer, credentials: str, word: str
) -> None:
    cache = at(closed, credentials)
    with pytest.raises(StartupError, match=r"^cache\.redis_url: redis://.* cannot be used: ") as e:
        async with Backend(replace(config, cache=cache), {}):
            pass
    assert word in str(e.value).lower()
    assert "\n" not in str(e.value)
    for secret in ("wrong-secret", PASSWORD, ESCAPED):
        assert secret not in str(e.value)


async def test_without_its_password_it_refuses_us(config: Config, closed: RedisServer) -> None:
    cache = CacheConfig(type="redis", redis_url=closed.url)
    with pytest.raises(StartupError, match="Authentication required"):
        async with Backend(replace(config, cache=cache), {}):
            pass


async def test_a_database_that_it_does_not_have_is_one_clear_line(
    config: Config, redis_url: str
) -> None:
    cache = CacheConfig(type="redis", redis_url=redis_url.rpartition("/")[0] + "/9999")
    with pytest.raises(StartupError, match="DB index is out of range"):
        async with Backend(replace(config, cache=cache), {}):
            pass


@asynccontextmanager
async def another_service(greeting: bytes, answer: bytes) -> AsyncIterator[int]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        if await reader.read(1000):
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize(
    ("greeting", "answer"),
    [(b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), (b"SSH-2.0-x\r\n", b"")],
)
async def test_what_is_no_redis_is_one_clear_line(
    config: Config, greeting: bytes, answer: bytes, scheme: str
) -> None:
    async with another_service(greeting, answer) as port:
        cache = CacheConfig(type="redis", redis_url=f"{scheme}://127.0.0.1:{port}")
        with pytest.raises(StartupError, match=r"^cache\.redis_url: .* cannot be used: .") as e:
            async with Backend(replace(config, cache=cache), {}):
                pass
        assert "\n" not in str(e.value)


async def test_a_redis_that_comes_later_is_used_from_then_on(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redis_link, "PROBE_SECONDS", 0.05)
    redis = RedisServer()
    server = await serve(cache=CacheConfig(type="redis", redis_url=redis.url))
    assert not await works(server)
    assert problem(await ask(server, "GET", "/readyz"), 503)["down"] == ["redis"]
    (link,) = server.backend.links
    back = asyncio.Event()
    link.on_return(back.set)
    try:
        await asyncio.to_thread(redis.start)
        async with asyncio.timeout(SECONDS):
            await back.wait()
        assert await works(server)
    finally:
        redis.kill()
    levels = [r.levelno for r in caplog.records if r.name == redis_link.__name__]
    assert levels[:2] == [logging.WARNING] * 2


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:99999",
        "redis://:hunter2/x@localhost:6379",
        "redis://localhost?socket_timeout=soon",
        "redis://localhost?no_such_option=1",
        "rediss://localhost?ssl_cert_reqs=hunter2",
    ],
)
def test_a_url_that_cannot_be_used_is_named_without_its_password(config: Config, url: str) -> None:
    cache = CacheConfig(type="redis", redis_url=url)
    with pytest.raises(ConfigError, match=r"^cache\.redis_url: ") as error:
        Backend(replace(config, cache=cache), {})
    assert "hunter2/x" not in str(error.value)
    assert "'hunter2'" not in str(error.value)


async def test_options_of_the_url_cannot_change_what_values_are(
    serve: Serve, redis_url: str
) -> None:
    url = f"{redis_url}?decode_responses=true&encoding=latin-1&max_connections=5"
    assert await works(await serve(cache=CacheConfig(type="redis", redis_url=url)))


def test_without_the_package_it_says_what_to_install(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    for section in ("cache", "events"):
        kind = {"cache": CacheConfig, "events": EventsConfig}[section]
        wanted = {section: kind(type="redis", redis_url="redis://localhost")}
        with pytest.raises(ConfigError, match=rf"{section}\.redis_url: .*alphapulse_api\[redis\]"):
            Backend(replace(config, **wanted), {})
    Backend(config, {})


async def test_parts_on_one_url_share_a_link(config: Config) -> None:
    def links(cache: str | None, events: str | None) -> list[str]:
        backend = Backend(
            replace(
                config,
                cache=CacheConfig(type="redis" if cache else "memory", redis_url=cache),
                events=EventsConfig(type="redis" if events else "memory", redis_url=events),
            ),
            {},
        )
        return [link.key for link in backend.links]

    assert links(None, None) == []
    assert links("redis://a", "redis://a") == ["cache.redis_url"]
    assert links("redis://a", "redis://b") == ["cache.redis_url", "events.redis_url"]
    assert links(None, "redis://b") == ["events.redis_url"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throwaway authority, and a certificate of it for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return folder


@asynccontextmanager
async def behind_tls(redis_url: str, certificates: Path) -> AsyncIterator[str]:
    """A Redis reached by TLS: what ends it stands before the real one."""
    target = urlsplit(redis_url)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, onward = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(pump(reader, onward), pump(answers, writer), return_exceptions=True)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.pem")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"


async def test_tls_is_used_and_the_certificate_is_checked(
    config: Config, serve: Serve, redis_url: str, certificates: Path, tmp_path: Path
) -> None:
    database = DatabaseConfig(url=f"sqlite:///{tmp_path}/other.db")
    async with behind_tls(redis_url, certificates) as url:
        trusted = CacheConfig(type="redis", redis_url=f"{url}?ssl_ca_certs={certificates}/ca.pem")
        assert await works(await serve(cache=trusted))
        for untrusted in (url, f"{url}?ssl_ca_certs={certificates}/other.pem"):
            cache = CacheConfig(type="redis", redis_url=untrusted)
            with pytest.raises(StartupError, match="CERTIFICATE_VERIFY_FAILED"):
                async with Backend(replace(config, cache=cache, database=database), {}):
                    pass


def test_a_node_of_a_cluster_that_has_not_our_keys_is_named_as_one() -> None:
    said = redis_link.reason_of(MovedError("4049 10.0.0.7:6379"))
    assert said == "it is a node of a cluster, and our keys lie on 10.0.0.7:6379"
