"""The base of the feeds of dashboards outside the host's loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from alphapulse_api.embed.addresses import Addresses, as_html, served_at
from alphapulse_api.record.inputs import Extras
from alphapulse_api.record.stats import FeedStats
from alphapulse_api.runtime.pickling import Unpicklable

Stored = dict[str, Any]


class Calling(Unpicklable, ABC):
    """Carries out the calls of a feed."""

    # The fast path of `_call`: queues one record without waiting for it, if there is room.
    _hand_over: Callable[[str, dict[str, Any]], bool]

    @property
    @abstractmethod
    def addresses(self) -> Addresses | None:
        """The URLs of the dashboard's pages; None if it does not serve HTTP."""

    @property
    def url(self) -> str:
        """The base URL of the dashboard, without a trailing slash.

        Raises:
            RuntimeError: if it does not serve HTTP.
        """
        return served_at(self.addresses).url

    @property
    def console_url(self) -> str | None:
        """The URL of the console; None if it is not installed or is switched off.

        Raises:
            RuntimeError: if the dashboard does not serve HTTP.
        """
        return served_at(self.addresses).console_url

    def _repr_html_(self) -> str:
        """The links that a notebook shows."""
        state = self.stats().state
        addresses = None if state == "closed" else self.addresses
        return as_html(type(self).__name__, state, addresses)

    @abstractmethod
    def stats(self) -> FeedStats:
        """Counts of the records since the start, by outcome."""

    @abstractmethod
    def _call(
        self,
        method: str,
        before: tuple[Any, ...],
        records: Sequence[Any],
        many: bool,
        wait: bool,
        timeout: float | None,
        **options: Any,
    ) -> Any: ...


def unusual(extras: Extras) -> dict[str, Any]:
    """The option if it differs from the default: calls without options take the fast path."""
    return {} if extras == "refuse" else {"extras": extras}
