"""A PostgreSQL primary with a streaming standby, for tests of a fail-over."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.postgres import SETTINGS, Postgres, server
from tests.waiting import until

SECONDS = 20.0  # for any step of a fail-over


class Pair:
    """A primary and its standby.

    Attributes:
        primary: the server that was made first.
    """

    def __init__(self, primary: Postgres, folder: Path) -> None:
        self.primary = primary
        self._folder = folder
        self._local: Any = primary.local

    def run(self, program: str, *args: object) -> None:
        """Run one of the server's programs, as its owner."""
        command = [self._local.bin_path / program, *map(str, args)]
        subprocess.run(
            command,
            user=self._local.system_user,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def begin(self) -> None:
        """Copy the primary, and start the copy as its standby."""
        self.run("pg_basebackup", "-h", self.primary.folder, "-U", "postgres", "-D", self._folder,
                 "-R", "-X", "stream", "-c", "fast")  # fmt: skip
        (self._folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)  # the primary's
        with (self._folder / "postgresql.conf").open("a") as file:
            file.write(f"\nunix_socket_directories = '{self._folder}'\n")
        self.run("pg_ctl", "-D", self._folder, "-w", "-l", self._folder / "log",
                 "-o", "-c listen_addresses=''", "start")  # fmt: skip

    def url(self, database_url: str, **query: str) -> str:
        """The URL of that database of the primary, with both servers as its hosts."""
        database = database_url.partition("?")[0].rpartition("/")[2]
        more = "".join(f"&{name}={value}" for name, value in query.items())
        hosts = f"{self.primary.folder},{self._folder}"
        return f"postgresql://postgres@/{database}?host={hosts}{more}"

    async def ask_standby(self, sql: str) -> Any:
        """One value from the standby."""
        connection = await asyncpg.connect(user="postgres", host=str(self._folder), port=5432)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    async def caught_up(self) -> None:
        """Wait until the standby has replayed all that the primary has written."""
        connection = await asyncpg.connect(self.primary.url("postgres"))
        try:
            written = await connection.fetchval("SELECT pg_current_wal_lsn()::text")
        finally:
            await connection.close()
        sql = f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn"
        await until(lambda: self.ask_standby(sql))

    async def cut(self) -> None:
        """Let the standby receive nothing more: what is written from now on is lost to it."""
        await self.ask_standby("ALTER SYSTEM SET primary_conninfo = ''")
        await self.ask_standby("SELECT pg_reload_conf()")
        await until(lambda: self.ask_standby("SELECT count(*) = 0 FROM pg_stat_wal_receiver"))

    def fail_over(self) -> None:
        """End the primary as a crash would, and promote the standby."""
        self.primary.stop()
        self.promote()

    def promote(self) -> None:
        """Make the standby the primary."""
        self.run("pg_ctl", "-D", self._folder, "-w", "promote")

    def end(self) -> None:
        """Stop the standby."""
        self.run("pg_ctl", "-D", self._folder, "-m", "immediate", "stop")


@contextmanager
def standby() -> Iterator[Pair]:
    """A primary with its standby, both ready."""
    with server(SETTINGS) as primary:
        folder = Path(tempfile.mkdtemp(prefix="ap-pg-"))
        system_user = primary.local.system_user
        shutil.chown(folder, system_user) if system_user else None
        pair = Pair(primary, folder)
        try:
            pair.begin()
            try:
                yield pair
            finally:
                pair.end()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
