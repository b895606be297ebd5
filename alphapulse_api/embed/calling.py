"""What the feeds of dashboards outside the host's loop have in common beneath their methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from alphapulse_api.record.inputs import Extras
from alphapulse_api.record.stats import FeedStats
from alphapulse_api.runtime.pickling import Unpicklable

Stored = dict[str, Any]


class Calling(Unpicklable, ABC):
    """Carries out the calls of a feed."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the dashboard is served; raises `RuntimeError` if it is not."""

    @property
    @abstractmethod
    def console_url(self) -> str | None:
        """Where the console is; None if it is not installed, or switched off."""

    @abstractmethod
    def stats(self) -> FeedStats:
        """What became of the records, from the start on."""

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
    """The option if it differs from the default; calls without options take the fast path."""
    return {} if extras == "refuse" else {"extras": extras}
