"""The life of a dashboard outside the host's own loop: started, closed, forked, pickled."""

from __future__ import annotations

import atexit
import os
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from alphapulse_api.domain.errors import DashboardClosed, DashboardForked
from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.record.stats import FeedStats

F = TypeVar("F", bound=HostFeed)


class HostedDashboard(ABC, Generic[F]):
    """A dashboard with a life of its own, from `start` to `close` or to the end of the interpreter.

    `with` does both and gives the feed. After `close` it may be started again.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._feed: F | None = None
        self._forked = False

    def __repr__(self) -> str:
        state = "not started" if self._feed is None else self._feed.stats().state
        return f"<{type(self).__name__} {state}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: send its url, and feed from the other "
            "process over HTTP with alphapulse_api.client"
        )

    @property
    def feed(self) -> F:
        """What the trading side calls.

        Raises:
            DashboardClosed: if the dashboard is not started.
            DashboardForked: in a forked process.
        """
        if self._forked:
            raise DashboardForked
        if self._feed is None:
            raise DashboardClosed
        return self._feed

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end.

        Raises:
            RuntimeError: if it is not started, or does not serve.
        """
        return self.feed.url

    @property
    def console_url(self) -> str | None:
        """Where the console is; None if it is not installed, or switched off."""
        return self.feed.console_url

    def stats(self) -> FeedStats:
        """What became of the records."""
        return self.feed.stats()

    def start(self) -> F:
        """Start the dashboard, and return its feed once it serves.

        Raises:
            ConfigError, StartupError: as the dashboard itself does.
            RuntimeError: if it is started already.
        """
        if self._forked:
            raise DashboardForked
        with self._changing:
            if self._feed is not None:
                raise RuntimeError(
                    "this dashboard is started already: use its feed, or make another dashboard"
                )
            self._feed = self._open()
            _running.add(self)
        return self._feed

    def close(self) -> None:
        """Complete the calls under way, store what was handed over, and end; again: do nothing."""
        if self._forked:
            return
        with self._changing:
            if self._feed is None:
                return
            try:
                self._close()
            finally:
                self._feed = None
                _running.discard(self)

    def __enter__(self) -> F:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def disown(self) -> Self:
        """Let go of the dashboard in a fork of its host."""
        self._forked = True
        self._disown()
        return self

    @abstractmethod
    def _open(self) -> F: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def _disown(self) -> None: ...


# Kept from being collected while they run, whatever the host keeps of them.
_running: set[HostedDashboard[Any]] = set()


def _close_all() -> None:
    for dashboard in tuple(_running):
        dashboard.close()


def _disown_all() -> None:
    for dashboard in tuple(_running):
        dashboard.disown()
    _running.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown_all)
