"""Messages through the package apprise: e-mail, Telegram, Slack, ntfy and many more, by URL.

apprise blocks, so each URL has a thread of its own: one that hangs delays no other. The package
writes what went wrong to its log, and some of it repeats secrets. So what it logs here is caught,
and shown only after the secrets were removed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from alphapulse_api.domain.errors import ConfigError
from alphapulse_api.notify.masking import Mask
from alphapulse_api.notify.message import Kind, Message
from alphapulse_api.notify.outcome import Outcome
from alphapulse_api.runtime.executor import LastingExecutor

MISSING: Final = "needs the package apprise: pip install 'alphapulse-api[notify]'"
UNKNOWN: Final = "apprise does not know this URL, or it lacks something"
# The loggers of apprise and of what it sends with; a filter holds for one logger only.
LOGGERS: Final = ("apprise", "urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")
APP: Final = "AlphaPulse"


class AppriseChannel:
    """Sends messages to some URLs.

    Args:
        urls: as apprise has them.
        path: the key of the URLs, for errors.
        timeout: seconds for each URL.

    Raises:
        ConfigError: if apprise is missing, or does not know one of the URLs; without the URL.
    """

    def __init__(self, urls: Sequence[str], path: str, timeout: float) -> None:
        self._mask = Mask(urls)
        self._timeout = timeout
        self._services = services_of(urls, path)
        self._threads = [LastingExecutor(1, "notify") for _ in urls]

    def __repr__(self) -> str:
        return f"<AppriseChannel of {len(self._services)} URLs>"

    async def send(self, message: Message, reached: Collection[int]) -> Outcome:
        """Send a message to the URLs that have not taken it; see `Channel.send`."""
        rest = [at for at in range(len(self._services)) if at not in reached]
        errors = await asyncio.gather(*(self._send_to(at, message) for at in rest))
        failed = [error for error in errors if error is not None]
        if not failed:
            return Outcome()
        took = {at for at, error in zip(rest, errors, strict=True) if error is None}
        whole = frozenset(took | set(reached))
        return Outcome("; ".join(dict.fromkeys(failed)), uncertain=bool(whole), reached=whole)

    async def close(self) -> None:
        """Let the threads end; one that hangs ends with the process."""
        for executor in self._threads:
            executor.shutdown(wait=False, cancel_futures=True)

    async def _send_to(self, at: int, message: Message) -> str | None:
        """Send to one URL; returns why that failed."""
        job = self._threads[at].submit(
            _notify, self._services[at], message.title, message.text, message.kind
        )
        try:
            async with asyncio.timeout(self._timeout):
                said = await asyncio.wrap_future(job)
        except TimeoutError:
            return f"not taken within {self._timeout:g} s"
        return None if said is None else self._mask(said)


def services_of(urls: Sequence[str], path: str) -> list[Any]:
    """apprise's objects for URLs.

    Args:
        urls: as apprise has them.
        path: their key, for errors.

    Raises:
        ConfigError: if apprise is missing, or does not know one of the URLs; without the URL.
    """
    try:
        import apprise
    except ImportError:
        raise ConfigError(f"{path}: {MISSING}") from None
    # Without a timeout of its own, it sends on the calling thread.
    asset = apprise.AppriseAsset(
        app_id=APP, app_desc=APP, async_mode=False, http_redirects=False, service_timeout=0
    )
    faults, services = [], []
    for at, url in enumerate(urls):
        service = apprise.Apprise(asset=asset)
        with _caught():
            if not service.add(url):
                faults.append(f"{path}[{at}]: {UNKNOWN}")
        services.append(service)
    if faults:
        raise ConfigError(*faults)
    return services


def _notify(service: Any, title: str, text: str, kind: Kind) -> str | None:
    """Send on this thread; returns what the log says of a failure."""
    with _caught() as said:
        try:
            if service.notify(body=text, title=title, notify_type=kind, body_format="text"):
                return None
        except Exception as error:
            # Its traceback may have secrets.
            said.append(type(error).__name__)
    return "; ".join(said) or "apprise could not send it"


_thread = threading.local()


@contextmanager
def _caught() -> Iterator[list[str]]:
    """Catch what this thread logs; the warnings are listed."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_catch)  # of no effect if it is there
    said: list[str] = []
    _thread.said = said
    try:
        yield said
    finally:
        _thread.said = None


def _catch(record: logging.LogRecord) -> bool:
    """A filter of loggers: keeps what `_caught` threads log out of the log."""
    said: list[str] | None = getattr(_thread, "said", None)
    if said is None:
        return True
    if record.levelno >= logging.WARNING:
        said.append(record.getMessage())
    return False
