"""The life cycle of a dashboard outside the host's event loop: start, close and fork."""

from __future__ import annotations

import atexit
import logging
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Final, Generic, Protocol, TypeVar

from alphapulse_api.domain.errors import DashboardClosed, DashboardForked, Unavailable
from alphapulse_api.embed.addresses import Addresses, as_html
from alphapulse_api.runtime.forks import disown_in_children, keep_in_children
from alphapulse_api.runtime.pickling import Unpicklable

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 30.0  # of a call; the database's timeouts are much shorter


class ServedFeed(Protocol):
    """The feed of a dashboard that may serve HTTP."""

    @property
    def addresses(self) -> Addresses | None: ...

    @property
    def url(self) -> str: ...

    @property
    def console_url(self) -> str | None: ...


F = TypeVar("F", bound=ServedFeed)


class HostedDashboard(Unpicklable, ABC, Generic[F]):
    """A dashboard that runs from `start` until `close` or the end of the interpreter.

    `with` does both and returns the feed. After `close` it may be started again.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._feed: F | None = None
        self._forked = False

    def __repr__(self) -> str:
        state, addresses = self._shown()
        return f"<{type(self).__name__} {state if addresses is None else addresses.url}>"

    def _repr_html_(self) -> str:
        """The links that a notebook shows."""
        return as_html(type(self).__name__, *self._shown())

    def _shown(self) -> tuple[str, Addresses | None]:
        feed = self._feed  # read once: another thread may close the dashboard
        if feed is None or self._forked:
            return "not started", None
        return "started, not serving", feed.addresses

    @property
    def feed(self) -> F:
        """The feed that the trading code calls.

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
        """The base URL, without a trailing slash.

        Raises:
            RuntimeError: if it is not started or does not serve HTTP.
        """
        return self.feed.url

    @property
    def console_url(self) -> str | None:
        """The URL of the console; None if it is not installed or is switched off."""
        return self.feed.console_url

    def start(self) -> F:
        """Start the dashboard, and return its feed once it serves.

        Raises:
            ConfigError, StartupError: as the dashboard itself does.
            RuntimeError: if it is already started.
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
            disown_in_children(self)
        return self._feed

    def close(self) -> None:
        """Complete the calls in progress, store the queued records, and stop. Idempotent."""
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
                keep_in_children(self)

    def __enter__(self) -> F:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def disown(self) -> None:
        """Release the dashboard in a fork of its host."""
        self._forked = True
        _running.discard(self)
        self._disown()

    @abstractmethod
    def _open(self) -> F: ...

    @abstractmethod
    def _close(self) -> None: ...

    @abstractmethod
    def _disown(self) -> None: ...


# Keeps running dashboards alive, even if the host keeps no reference.
_running: Final[set[HostedDashboard[Any]]] = set()


@atexit.register
def _close_all() -> None:
    for dashboard in tuple(_running):
        try:
            dashboard.close()
        except (DashboardClosed, Unavailable) as error:
            logger.error("failed to close the dashboard at exit: %s", error)
