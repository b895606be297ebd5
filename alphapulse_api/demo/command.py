"""``alphapulse-api demo``: a dashboard with its own database, and the replay that feeds it."""

import asyncio
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from pathlib import Path

from alphapulse_api.config import (
    Config,
    DatabaseConfig,
    EventsConfig,
    LoggingConfig,
    RetentionConfig,
)
from alphapulse_api.dashboard import Dashboard
from alphapulse_api.demo.checkpoint import Checkpoint
from alphapulse_api.demo.controls import Controls
from alphapulse_api.demo.opening import OPENING_DAYS, OPENING_NAME, newest_opening
from alphapulse_api.demo.publisher import MARKER_NAME, MARKER_TYPE, newest_marker
from alphapulse_api.demo.replay import replay
from alphapulse_api.demo.simulation import Place, TradingDay
from alphapulse_api.domain.errors import StartupError
from alphapulse_api.runtime.tuning import on_stop

__all__ = ["run"]

USER = KEY_NAME = "demo"
KEPT_SECONDS = 6 * 3600.0
"""43,000 trading days, or 200 MB, at the default speed. A demo that stopped for up to half of this
time can be resumed."""

CHECKPOINT_ENDING = ".replay"
FILE_ENDINGS = ("", "-wal", "-shm", ".jwt-secret", CHECKPOINT_ENDING)
KEPT_EVENTS = 1000
"""Events that a channel keeps: enough to resume after minutes without using much memory."""

PLAIN_LINE_INTERVAL = 5.0

FIRST_SCREEN = """\
AlphaPulse demo: AAPL, GOOG, IBM and MSFT from 2007 to 2010, {speed:g} trading days a second,
there and back again with one account. It is at {place}.

  Dashboard API  {url}
{console}  Documentation  {url}/docs
  Login          {user} / {password}

  curl -H "X-API-Key: {key}" {url}/api/portfolio
  {python} -m alphapulse_api.demo.watch {url} --api-key {key}

Ctrl-C stops it.
"""


async def run(*, port: int, speed: float, fresh: bool, database: str) -> None:
    """Serve the demo until SIGINT or SIGTERM.

    Args:
        port: the port to listen on; 0 picks a free one.
        speed: trading days per second.
        fresh: start again, without the data of an earlier demo. A demo that stopped more than three
            hours ago always starts again.
        database: path of the SQLite file.

    Raises:
        StartupError: if the port is taken, or another demo runs on the database.
    """
    with _only_one(database):
        prepare(database, fresh)
        async with Dashboard(_config(port, database), first_user=False) as dashboard:
            await _show(dashboard, speed, Checkpoint(Path(database + CHECKPOINT_ENDING)))


async def _show(dashboard: Dashboard, speed: float, checkpoint: Checkpoint) -> None:
    """Create the login, and replay until stopped."""
    password, key = await _let_in(dashboard)
    newest = dashboard.metrics.get_latest_metrics
    start = newest_marker(await newest(MARKER_TYPE, name=MARKER_NAME))
    begun = newest_opening(await newest(MARKER_TYPE, name=OPENING_NAME))
    progress, controls = _Progress(), Controls(dashboard)
    obeying = asyncio.create_task(controls.obey())

    def show(place: Place) -> None:
        print(
            FIRST_SCREEN.format(
                speed=speed,
                place=place,
                url=dashboard.url,
                console=f"  Console        {console}\n"
                if (console := dashboard.console_url)
                else "",
                user=USER,
                password=password,
                key=key,
                python=sys.executable,
            ),
            flush=True,
        )

    replaying = asyncio.create_task(
        replay(
            dashboard.feed,
            speed=speed,
            start=start,
            checkpoint=checkpoint,
            opening=OPENING_DAYS,
            begun=begun,
            on_open=show,
            on_day=progress,
            trading=controls.trading,
        )
    )
    # Event loops on Windows support no signal handlers; there Ctrl-C cancels this coroutine.
    with suppress(NotImplementedError):
        on_stop(replaying.cancel)
    with suppress(asyncio.CancelledError):
        await replaying
    obeying.cancel()
    progress.end()


@contextmanager
def _only_one(database: str) -> Iterator[None]:
    """Refuse a second demo, which would publish the same days into the same database.

    The lock is SQLite's, on an empty file beside the database. It works on every system, and is
    released when the process ends, even if it is killed. The server's lock file cannot be used: it
    is text.
    """
    try:
        lock = sqlite3.connect(f"{database}.demo-lock", timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise StartupError(f"cannot use {database}: {error}") from None
    with closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise StartupError(
                f"a demo is running on {database}: stop it, or name another file with --database"
            ) from None
        yield


def prepare(database: str, fresh: bool) -> None:
    """Delete the database's files unless the demo continues them."""
    files = [path for ending in FILE_ENDINGS if (path := Path(database + ending)).exists()]
    last_write = max((path.stat().st_mtime for path in files), default=0.0)
    # After that time retention may have deleted the newest marker and left alerts whose ids clash.
    if fresh or time.time() - last_write > KEPT_SECONDS / 2:
        for path in files:
            path.unlink()


def _config(port: int, database: str) -> Config:
    retention = RetentionConfig(**{kind.name: KEPT_SECONDS for kind in fields(RetentionConfig)})
    return Config(
        port=port,
        database=DatabaseConfig(url=f"sqlite:///{database}", retention=retention),
        events=EventsConfig(history_size=KEPT_EVENTS),
        logging=LoggingConfig(level="warning"),
    )


async def _let_in(dashboard: Dashboard) -> tuple[str, str]:
    """Give the demo's user a new password, and make the only live demo key; return both."""
    password = secrets.token_urlsafe(9)
    await dashboard.accounts.set_user(USER, "operator", password)
    for old in await dashboard.accounts.list_api_keys():
        if old.name == KEY_NAME and old.revoked_at is None:
            await dashboard.accounts.revoke_api_key(old.id)
    _, key = await dashboard.accounts.create_api_key(KEY_NAME)
    return password, key


class _Progress:
    """Shows the newest day: in place on a terminal, otherwise as a line every few seconds."""

    __slots__ = ("_in_place", "_next_line")

    def __init__(self) -> None:
        self._in_place = sys.stdout.isatty()
        self._next_line = 0.0

    def __call__(self, day: TradingDay) -> None:
        line = (
            f"{day.place}  value {day.portfolio['total_value']:>12,.2f} USD"
            f"  trades {day.trades_so_far:>4}"
        )
        if self._in_place:
            print(f"\r{line:<79}", end="", flush=True)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + PLAIN_LINE_INTERVAL
            print(line, flush=True)

    def end(self) -> None:
        if self._in_place:
            print()
