"""PostgreSQL at the start: new databases, many processes at once, and one line for each refusal."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import uuid
from contextlib import ExitStack
from urllib.parse import urlsplit

import asyncpg
import pytest

from alphapulse_api.config import Config, DatabaseConfig
from alphapulse_api.domain.errors import ConfigError, StartupError, Unavailable
from alphapulse_api.storage.engines import engine_from
from alphapulse_api.storage.postgres import connection as postgres_connection
from alphapulse_api.storage.postgres import schema as postgres_schema
from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.postgres.schema import COLUMN_TYPES, VERSION_TABLE
from alphapulse_api.storage.schema_versions import migrations
from tests.engines import connected
from tests.postgres import Postgres
from tests.waiting import until

NEWEST = migrations(COLUMN_TYPES)[-1].version
SECRET = "hush-hush-hush"


async def refusal(url: str) -> str:
    """The one line that opening this URL ends with."""
    engine = PostgresEngine(url)
    with pytest.raises(StartupError) as refused:
        await engine.open()
    line = str(refused.value)
    assert line.startswith("database.url: ")
    assert engine.location in line
    assert SECRET not in line + repr(engine)
    assert "\n" not in line
    with pytest.raises(Unavailable):
        await engine.fetch("SELECT 1")
    await engine.close()
    return line


async def test_migrations_run_once(postgres: Postgres) -> None:
    url = await postgres.new()
    for _ in range(2):
        async with connected(url) as engine:
            assert await engine.fetch(f"SELECT version FROM {VERSION_TABLE}") == [(NEWEST,)]
            assert await engine.fetch("SELECT version FROM auth_version") == [(1,)]


async def test_columns_have_types_that_other_programs_can_use(postgres: Postgres) -> None:
    async with connected(await postgres.emptied()) as engine:
        rows = await engine.fetch(
            "SELECT column_name, data_type, collation_name FROM information_schema.columns "
            "WHERE table_name = 'trades'"
        )
        types = {row[0]: (row[1], row[2]) for row in rows}
        assert types["executed_at"] == ("timestamp with time zone", None)
        assert types["price"] == ("numeric", None)
        assert types["metadata"] == ("json", None)
        assert types["id"] == ("text", "C")


OPEN_AT_ONCE = """
import asyncio, sys
from alphapulse_api.storage.postgres.engine import PostgresEngine
async def main():
    print("ready", flush=True)
    for url in sys.stdin:
        engine = PostgresEngine(url.strip())
        try:
            await engine.open()
            (row,) = await engine.fetch("SELECT count(*) FROM auth_version")
            print(row[0], flush=True)
            await engine.close()
        except Exception as error:
            print(repr(error), flush=True)
asyncio.run(main())
"""


def test_processes_may_open_the_same_new_database_at_once(postgres: Postgres) -> None:
    urls = [asyncio.run(postgres.new()) for _ in range(4)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", OPEN_AT_ONCE],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(3)
        ]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        for url in urls:
            for process in processes:
                process.stdin.write(f"{url}\n")
                process.stdin.flush()
            assert [process.stdout.readline() for process in processes] == ["1\n"] * 3


async def test_ten_engines_open_a_new_database_at_once(postgres: Postgres) -> None:
    url = await postgres.new()
    engines = [PostgresEngine(url) for _ in range(10)]
    await asyncio.gather(*(engine.open() for engine in engines))
    assert await engines[0].fetch(f"SELECT version FROM {VERSION_TABLE}") == [(NEWEST,)]
    await asyncio.gather(*(engine.close() for engine in engines))


async def test_other_programs_tables_may_be_beside_ours_but_not_in_their_place(
    postgres: Postgres,
) -> None:
    url = await postgres.new()
    theirs = await asyncpg.connect(url)
    await theirs.execute("CREATE TABLE notes (text text)")
    async with connected(url):
        pass
    await theirs.close()

    url = await postgres.new()
    theirs = await asyncpg.connect(url)
    await theirs.execute("CREATE TABLE trades (x text); CREATE SCHEMA dashboard")
    line = await refusal(url)
    assert "another program (trades)" in line
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert await theirs.fetchval(tables) == 1
    async with connected(f"{url}&search_path=dashboard") as engine:
        assert await engine.fetch("SELECT count(*) FROM trades") == [(0,)]
    assert await theirs.fetchval(tables) == 1
    await theirs.close()


async def test_a_newer_schema_is_refused_by_number(postgres: Postgres) -> None:
    url = await postgres.new()
    async with connected(url) as engine:

        async def newer(transaction: object) -> None:
            await transaction.execute(f"UPDATE {VERSION_TABLE} SET version = {NEWEST + 1}")

        await engine.write(newer)
    line = await refusal(url)
    assert f"schema {NEWEST + 1}" in line
    assert "newer release" in line


async def test_an_old_server_is_refused(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_schema, "OLDEST_SERVER", 1000)
    line = await refusal(await postgres.new())
    assert "too old: 1000 or newer is needed" in line


async def test_an_encoding_that_does_not_hold_every_character_is_refused(
    postgres: Postgres,
) -> None:
    url = await postgres.new("ENCODING 'SQL_ASCII' LOCALE 'C'")
    assert "ENCODING 'UTF8'" in await refusal(url)


async def test_a_database_that_is_missing_is_named(postgres: Postgres) -> None:
    assert "nowhere" in await refusal(postgres.url("nowhere"))


async def test_a_role_that_may_not_create_tables_gets_a_clear_error(postgres: Postgres) -> None:
    role = f"r{uuid.uuid4().hex}"
    url = await postgres.new()
    database = urlsplit(url).path[1:]
    await postgres.run(f"CREATE ROLE {role} LOGIN", database=database)
    await postgres.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=database)
    assert "permission denied" in await refusal(url.replace("postgres:@", f"{role}@", 1))


async def test_a_wrong_password_is_refused_without_being_shown(postgres: Postgres) -> None:
    hba = postgres.folder / "pg_hba.conf"
    before = hba.read_text()
    role = f"r{uuid.uuid4().hex}"
    await postgres.run(f"CREATE ROLE {role} LOGIN PASSWORD 'right'")
    hba.write_text(f"local all {role} scram-sha-256\n{before}")
    await postgres.run("SELECT pg_reload_conf()")
    url = postgres.url("postgres").replace("postgres:@", f"{role}:{SECRET}@", 1)
    lines: list[str] = []

    async def names_the_password() -> bool:
        lines.append(await refusal(url))
        return "password" in lines[-1]

    await until(names_the_password)  # the server reads its file again in its own time
    hba.write_text(before)
    await postgres.run("SELECT pg_reload_conf()")
    assert "password was refused" in lines[-1]


async def test_where_no_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # Somebody listens and never says a word.
        monkeypatch.setattr(postgres_connection, "CONNECT_SECONDS", 0.1)
        url = f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x"
        assert "does not answer" in await refusal(url)
    assert "connection was refused" in await refusal(url)
    assert "no such socket" in await refusal(f"postgresql://ann:{SECRET}@/x?host=/nowhere")
    unknown = f"postgresql://ann:{SECRET}@no-such-host.invalid/x"
    assert "no host of that name" in await refusal(unknown)


async def test_a_parameter_that_the_driver_does_not_take(postgres: Postgres) -> None:
    line = await refusal(f"{postgres.url('postgres')}&sslmode={SECRET}")
    assert "cannot read the URL" in line


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{SECRET}/x@db/x",
        f"postgresql://ann:a#{SECRET}@db/x",
        f"postgresql://ann:a?{SECRET}@db/x",
        f"postgresql://ann@db:{SECRET}/x",
        f"postgresql://[{SECRET}/x",
    ],
)
def test_a_url_that_cannot_be_read_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^database\.url: .*%XX") as refused:
        PostgresEngine(url)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:pw@db/x", "postgresql://ann@db/x"),
        ("postgresql://ann:p%40w@db:5432/x?sslmode=disable", "postgresql://ann@db:5432/x"),
        ("postgresql:///x?host=/tmp&user=ann&password=pw", "postgresql://ann@/tmp/x"),
        ("postgresql://a,b:1/x", "postgresql://a,b:1/x"),
        ("postgresql://a/x%0Ay", "postgresql://a/x\\ny"),
    ],
)
def test_the_location_is_the_url_without_its_secrets(url: str, shown: str) -> None:
    assert PostgresEngine(url).location == shown


def test_the_url_chooses_the_engine_and_a_missing_driver_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = DatabaseConfig(url="postgresql://db/x")
    assert isinstance(engine_from(config), PostgresEngine)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r'pip install "alphapulse_api\[postgres\]"'):
        engine_from(config)


def test_a_secret_for_tokens_has_to_be_given() -> None:
    with pytest.raises(ConfigError, match=r"^auth\.jwt_secret: is required with PostgreSQL"):
        Config(database=DatabaseConfig(url="postgresql://db/x"))
