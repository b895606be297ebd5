"""Connections to a PostgreSQL server: the URL, the settings, and the form of values."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from alphapulse_api.domain.errors import ConfigError
from alphapulse_api.domain.times import EPOCH, FIRST_MICROS, MICROSECOND, to_micros
from alphapulse_api.storage.postgres.errors import reason, sqlstate

CONNECT_SECONDS: Final = 3.0
ASKED: Final = "SELECT 1"  # a probe; asyncpg returns nothing for an empty statement
# Failures to reach a server, and its refusals; a TimeoutError is an OSError.
FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.TargetServerAttributeNotMatched,
    OSError,
)
# The longest time that a responsive server needs beyond its own statement_timeout.
GRACE_SECONDS: Final = 1.0

# Instants are counted from 2000-01-01 there, and its infinities are the ends of 64 bits.
_SHIFT: Final = (EPOCH.replace(year=2000) - EPOCH) // MICROSECOND
_LAST_MICROS: Final = to_micros(EPOCH.replace(year=9999, month=12, day=31)) + 86_400 * 1_000_000
_BEFORE_ALL: Final = -(2**63)
_AFTER_ALL: Final = 2**63 - 1


def _time_out(micros: int) -> tuple[int]:
    """Encode a timestamptz; times outside its range sort before or after all others."""
    if micros < FIRST_MICROS:
        return (_BEFORE_ALL,)
    return (_AFTER_ALL,) if micros > _LAST_MICROS else (micros - _SHIFT,)


def _time_in(value: tuple[int]) -> int:
    return value[0] + _SHIFT


def _truth_out(truth: Any) -> str:
    return "t" if truth else "f"


def _truth_in(text: str) -> int:
    return int(text == "t")


async def prepare(connection: asyncpg.Connection) -> None:
    """Set the codecs for the form of values that all engines share; sends no query."""
    codecs: tuple[tuple[str, str, Any, Any], ...] = (
        ("timestamptz", "tuple", _time_out, _time_in),
        ("numeric", "text", str, str),
        ("bool", "text", _truth_out, _truth_in),
    )
    for name, form, encoder, decoder in codecs:
        await connection.set_type_codec(
            name, schema="pg_catalog", format=form, encoder=encoder, decoder=decoder
        )


async def history(connection: asyncpg.Connection) -> str | None:
    """The history that the database is on; None if the server does not say, as on a standby.

    A promoted standby begins a new timeline, which is part of the name of its current WAL file (the
    control file has it only after the next checkpoint). A restored dump has new tables.
    """
    try:
        name: str | None = await connection.fetchval(
            "SELECT CASE WHEN NOT pg_is_in_recovery() THEN "
            "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '-' || 'trades'::regclass::oid "
            "END"
        )
    except asyncpg.PostgresError:
        return None  # not every compatible server has these functions
    return name


async def part(connection: asyncpg.Connection) -> None:
    """Disconnect; terminate the connection if the server does not answer."""
    try:
        await connection.close(timeout=GRACE_SECONDS)
    except FAULTS:
        connection.terminate()


class Address:
    """The server at `database.url`, and how to connect to it.

    Args:
        url: postgresql://user:password@host:port/database?parameters, as libpq has it.
        statement_timeout: seconds after which the server ends a statement.
        pgbouncer: whether a pooler is in between, which may run each transaction on another
            connection, so that a connection cannot hold state.

    Raises:
        ConfigError: if the text is not such a URL.
    """

    __slots__ = ("_application", "_pgbouncer", "_target", "_url", "location", "seconds")

    def __init__(self, url: str, statement_timeout: float, pgbouncer: bool) -> None:
        self._url = url
        self.seconds = statement_timeout
        self._pgbouncer = pgbouncer
        where = _parts(url)
        self._target = where.target or ("primary" if "," in where.hosts else None)
        self._application = where.application
        self.location = where.shown

    @property
    def patience(self) -> float:
        """Seconds to wait for an answer before the connection is given up."""
        return self.seconds + GRACE_SECONDS

    def ends_statements(self, *, reading: bool) -> bool:
        """Whether the server ends a statement that takes too long: then silence means an outage.

        It does not end reads through a pooler: these are not transactions, which could have a
        setting, and the session belongs to the pooler.
        """
        return not (self._pgbouncer and reading)

    @property
    def timeout_ms(self) -> int:
        """`statement_timeout` as the server takes it; 0 would be none."""
        return max(1, round(self.seconds * 1000))

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of asyncpg.connect."""
        arguments: dict[str, Any] = {
            "dsn": self._url,
            "timeout": CONNECT_SECONDS,
            "command_timeout": self.patience,
            "target_session_attrs": self._target,
        }
        if self._pgbouncer:
            return {**arguments, "statement_cache_size": 0}
        settings = {
            "application_name": self._application,
            "statement_timeout": str(self.timeout_ms),
            "jit": "off",  # compiling takes longer than any statement of ours
        }
        return {**arguments, "server_settings": settings}

    async def connect(self, *, reading: bool) -> asyncpg.Connection:
        """A new connection, in `CONNECT_SECONDS` at most; values travel on it as `prepare` says.

        Raises:
            TimeoutError: if the server does not answer.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: if it does not let us in.
        """
        connection = await asyncpg.connect(**self.arguments())
        try:
            await prepare(connection)
            if reading and not self._pgbouncer:
                # Not in the start-up parameters: the driver would take every server for a standby.
                await connection.execute("SET default_transaction_read_only = on")
        except BaseException:
            connection.terminate()  # the caller never gets it
            raise
        return connection

    async def probe(self) -> None:
        """Check on a separate, short-lived connection whether statements are answered.

        Raises:
            TimeoutError: if the server does not answer.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: if it answers, but not to us.
        """
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await asyncpg.connect(**self.arguments())
            try:
                await connection.execute(ASKED)  # a pooler may accept connections by itself
                await connection.close()
            finally:
                connection.terminate()

    def refusal(self, error: Exception) -> str:
        """One line, without the password: why the database cannot be used."""
        return f"database.url: cannot use {self.location}: {self._why(error)}"

    def _why(self, error: Exception) -> str:
        if isinstance(error, socket.gaierror):
            return "there is no host of that name"
        if isinstance(error, FileNotFoundError):
            return "there is no such socket, or no such certificate file"
        # The loops word it differently, and several addresses that refuse are one plain OSError.
        if isinstance(error, OSError) and re.search("refused|Connect call failed", str(error)):
            return "the connection was refused; is the server running there?"
        if isinstance(error, asyncpg.PostgresError):
            said = str(error).splitlines()[0]
            if "unsupported startup parameter" in said:
                return f"{said}; before a PgBouncer, set database.pgbouncer"
            known = reason(error)
            return f"{known} ({said})" if known and sqlstate(error)[:2] != "08" else said
        if known := reason(error):
            return known
        # The driver quotes the text that it could not read, which may be part of the password.
        return "the driver cannot read the URL; write special characters as %XX"


class _Parts(NamedTuple):
    """The parts of a URL.

    Attributes:
        hosts: comma separated; empty if it names none.
        target: its `target_session_attrs`, or the one of the environment.
        application: the name of the sessions at the server.
        shown: the URL with user, hosts and database, without anything that may be secret.
    """

    hosts: str
    target: str | None
    application: str
    shown: str


def _parts(url: str) -> _Parts:
    """Raises `ConfigError` if the text is no such URL."""
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        # A password with an unescaped "/", "#" or "?" ends the host early.
        hosts = parts.netloc.rpartition("@")[2]
        if hosts and not re.fullmatch(r"[\w.,:%\[\]-]+", hosts):
            raise ValueError
        if "@" in parts.path + parts.query + parts.fragment:
            raise ValueError
        for host in hosts.split(","):
            urlsplit(f"//{host}").port  # noqa: B018 (raises ValueError)
    except ValueError:
        raise ConfigError(
            "database.url: is not a URL; write special characters of the password as %XX"
        ) from None
    user = query.get("user") or unquote(parts.username or "")
    where = query.get("host") or unquote(hosts)
    database = query.get("dbname") or query.get("database") or unquote(parts.path[1:])
    shown = f"postgresql://{user}{'@' if user else ''}{where}/{database}"
    return _Parts(
        where or os.environ.get("PGHOST", ""),
        query.get("target_session_attrs") or os.environ.get("PGTARGETSESSIONATTRS"),
        query.get("application_name") or "alphapulse_api",
        json.dumps(shown, ensure_ascii=False)[1:-1],  # one line, whatever was escaped in it
    )
