"""logging: raises alerts for log records from a level upwards.

    logging.getLogger().addHandler(AlertHandler(feed))  # warnings and above

Records of the same logger with the same format string share a fingerprint. A fingerprint raises at
most one alert per minute; the next alert says how many records came in between. Nothing here waits
for the dashboard.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, Final

from alphapulse_api.embed.feed import HostFeed
from alphapulse_api.record.feed import Feed
from alphapulse_api.schemas.alerts import MAX_MESSAGE, MAX_TITLE

OWN_LOGGERS: Final = "alphapulse_api"
MAX_SOURCE: Final = 128  # characters
MAX_FINGERPRINTS: Final = 1000  # kept: an f-string as the message makes a new one each time
_SEVERITIES: Final = (
    (logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warning"),
)  # fmt: skip
_raising: ContextVar[bool] = ContextVar("raising", default=False)


class AlertHandler(logging.Handler):
    """Raises an alert for each record that it handles, within limits.

    Records of the dashboard's own loggers, and records that are logged while an alert is raised,
    are ignored, so that a fault of the dashboard cannot cause an endless loop. Failures are
    counted, never raised.

    Args:
        feed: the feed of any kind of dashboard. For `Dashboard(config).feed`, create the handler in
            its event loop; records may come from any thread.
        level: the lowest level that raises alerts.
        interval: seconds in which one fingerprint raises at most one alert.
        most: the most alerts per interval, over all fingerprints.
        clock: monotonic, in seconds.

    Attributes:
        raised: alerts that were handed over.
        suppressed: records that raised no alert because of the limits.
        failed: alerts that the dashboard did not accept, for example because it is closed.
    """

    def __init__(
        self,
        feed: Feed | HostFeed,
        level: int | str = logging.WARNING,
        *,
        interval: float = 60.0,
        most: int = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(level)
        self._feed = feed
        self._loop = asyncio.get_running_loop() if isinstance(feed, Feed) else None
        self._tasks: set[asyncio.Task[None]] = set()
        self._interval = interval
        self._most = most
        self._clock = clock
        # By fingerprint: when it last raised an alert, and how many records were suppressed since.
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._since = clock()  # start of the interval in which `_count` alerts were raised
        self._count = 0
        self._closed = False
        self.raised = 0
        self.suppressed = 0
        self.failed = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Raise an alert, unless a limit suppresses it."""
        if self._closed or _raising.get() or _is_own(record.name):
            return
        token = _raising.set(True)
        try:
            fingerprint = fingerprint_of(record)
            kept_back = self._admitted(fingerprint)
            if kept_back is not None:
                self._raise(self._alert(record, fingerprint, kept_back))
        except Exception:  # the record's arguments may not fit its format
            self.handleError(record)
        finally:
            _raising.reset(token)

    def close(self) -> None:
        """Raise no more alerts. Close the handler before the dashboard."""
        self._closed = True
        super().close()

    def _admitted(self, fingerprint: str) -> int | None:
        """How many records of the fingerprint were suppressed; None if this one is suppressed."""
        now = self._clock()
        raised_at, kept_back = self._seen.get(fingerprint, (None, 0))
        if now - self._since >= self._interval:
            self._since, self._count = now, 0
        recent = raised_at is not None and now - raised_at < self._interval
        if recent or self._count >= self._most:
            self.suppressed += 1
            if raised_at is not None:
                self._seen[fingerprint] = (raised_at, kept_back + 1)
            return None
        self._count += 1
        self._seen[fingerprint] = (now, 0)
        self._seen.move_to_end(fingerprint)
        if len(self._seen) > MAX_FINGERPRINTS:
            self._seen.popitem(last=False)
        return kept_back

    def _alert(self, record: logging.LogRecord, fingerprint: str, kept_back: int) -> dict[str, Any]:
        message = _clean(record.getMessage())
        metadata: dict[str, Any] = {
            "logger": _clean(record.name), "level": record.levelname, "file": record.pathname,
            "line": record.lineno, "function": record.funcName, "thread": record.threadName,
            "process": record.process,
        }  # fmt: skip
        if kept_back:
            metadata["kept_back"] = kept_back
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            metadata["exception"] = _clean(f"{type(error).__name__}: {error}")[:MAX_MESSAGE]
        first = next(iter(message.strip().splitlines()), "") or record.levelname
        severity = next((word for level, word in _SEVERITIES if record.levelno >= level), "info")
        return {
            "title": first[:MAX_TITLE],
            "message": _clean(self.format(record))[:MAX_MESSAGE],
            "severity": severity,
            "source": metadata["logger"][:MAX_SOURCE] or "root",
            "rule_id": fingerprint,
            "created_at": record.created,
            "metadata": metadata,
        }

    def _raise(self, alert: dict[str, Any]) -> None:
        try:
            if isinstance(self._feed, HostFeed):
                self._counted(taken=bool(self._feed.raise_alert(alert, wait=False)))
            elif self._loop is not None:
                self._loop.call_soon_threadsafe(self._begin, alert)
        except Exception:  # the dashboard is closed, full or forked: the host goes on
            self._counted(taken=False)

    def _counted(self, *, taken: bool) -> None:
        self.acquire()
        self.raised += taken
        self.failed += not taken
        self.release()

    def _begin(self, alert: dict[str, Any]) -> None:
        task = asyncio.ensure_future(self._store(alert))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, alert: dict[str, Any]) -> None:
        _raising.set(True)  # for this task and the tasks it starts
        feed = self._feed
        assert isinstance(feed, Feed)
        try:
            await feed.raise_alert(alert)
        except Exception:  # as in `_raise`
            self._counted(taken=False)
        else:
            self._counted(taken=True)


def fingerprint_of(record: logging.LogRecord) -> str:
    """16 hexadecimal digits of the logger's name and the format string."""
    text = f"{record.name}\x00{record.msg}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _is_own(name: str) -> bool:
    return name == OWN_LOGGERS or name.startswith(f"{OWN_LOGGERS}.")


def _clean(text: str) -> str:
    """The text without characters that some stores cannot hold."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()
