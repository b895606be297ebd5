"""The feed of a dashboard outside the host's loop: plain calls from any thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, overload

from alphapulse_api.domain.host_objects import fields_of
from alphapulse_api.record.inputs import Record, Records, listing
from alphapulse_api.record.stats import FeedStats
from alphapulse_api.runtime.slices import finish
from alphapulse_api.schemas.batches import STOP

Stored = dict[str, Any]


class HostFeed(ABC):
    """The methods of `Feed`, for a host that does not await: same names, results and errors.

    Every method takes two more arguments:

    wait: True returns when the record is committed, and raises what the feed raises. False returns
        within microseconds; the number of records that were taken is the result, 0 if they were
        dropped. What becomes of them is in `stats()`. They must not be changed afterwards, are lost
        if the host is killed first, and stand each alone: one that is not valid costs no other.
    timeout: seconds; None is the dashboard's own. A call that waits and has no answer by then
        raises `Unavailable`, and its record may still be stored. A call that does not wait may be
        held up so long (the default is not at all) for room in the queue.
    """

    __slots__ = ()

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

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            "a feed cannot be pickled: send the dashboard's url, and feed from the other process "
            "over HTTP with alphapulse_api.client"
        )

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

    def record_metrics(
        self, points: Record | Records, *, wait: bool = True, timeout: float | None = None
    ) -> int:
        """Store one point or up to 10,000; returns how many were stored, or taken."""
        if fields_of(points) is not None:
            count: int = self._call("record_metrics", (), (points,), False, wait, timeout)
        else:
            points = listed(points)
            count = self._call("record_metrics", (), points, True, wait, timeout)
        return count

    @overload
    def record_trade(
        self, trade: Record, *, wait: Literal[True] = True, timeout: float | None = None
    ) -> Stored: ...
    @overload
    def record_trade(
        self, trade: Record, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def record_trade(
        self, trade: Record, *, wait: bool = True, timeout: float | None = None
    ) -> Stored | int:
        """Store one trade; returns it as stored."""
        answer: Stored | int = self._call("record_trade", (), (trade,), False, wait, timeout)
        return answer

    @overload
    def record_trades(
        self, trades: Records, *, wait: Literal[True] = True, timeout: float | None = None
    ) -> list[Stored]: ...
    @overload
    def record_trades(
        self, trades: Records, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def record_trades(
        self, trades: Records, *, wait: bool = True, timeout: float | None = None
    ) -> list[Stored] | int:
        """Store up to 10,000 trades, all or none; returns them as stored."""
        trades = listed(trades)
        answer: list[Stored] | int = self._call("record_trades", (), trades, True, wait, timeout)
        return answer

    @overload
    def record_trades_batch(
        self,
        trades: Records,
        *,
        on_error: str = STOP,
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_trades_batch(
        self,
        trades: Records,
        *,
        on_error: str = STOP,
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_trades_batch(
        self,
        trades: Records,
        *,
        on_error: str = STOP,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store up to 10,000 trades; returns what became of each, as `Feed` does."""
        trades = listed(trades, on_error)
        answer: Stored | int = self._call(
            "record_trades_batch", (), trades, True, wait, timeout, on_error=on_error
        )
        return answer

    @overload
    def record_metrics_batch(
        self,
        points: Records,
        *,
        on_error: str = STOP,
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_metrics_batch(
        self,
        points: Records,
        *,
        on_error: str = STOP,
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_metrics_batch(
        self,
        points: Records,
        *,
        on_error: str = STOP,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store up to 10,000 points; returns what became of each, as `Feed` does."""
        points = listed(points, on_error)
        answer: Stored | int = self._call(
            "record_metrics_batch", (), points, True, wait, timeout, on_error=on_error
        )
        return answer

    @overload
    def raise_alert(
        self, alert: Record, *, wait: Literal[True] = True, timeout: float | None = None
    ) -> Stored: ...
    @overload
    def raise_alert(
        self, alert: Record, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def raise_alert(
        self, alert: Record, *, wait: bool = True, timeout: float | None = None
    ) -> Stored | int:
        """Store an alert; returns it as stored."""
        answer: Stored | int = self._call("raise_alert", (), (alert,), False, wait, timeout)
        return answer

    @overload
    def acknowledge_alert(
        self,
        alert_id: str,
        user: str,
        comments: str | None = None,
        *,
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def acknowledge_alert(
        self,
        alert_id: str,
        user: str,
        comments: str | None = None,
        *,
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def acknowledge_alert(
        self,
        alert_id: str,
        user: str,
        comments: str | None = None,
        *,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Acknowledge an alert, once; returns it. Raises `NotFound`."""
        answer: Stored | int = self._call(
            "acknowledge_alert", (alert_id, user, comments), (), False, wait, timeout
        )
        return answer

    @overload
    def resolve_alert(
        self, alert_id: str, *, wait: Literal[True] = True, timeout: float | None = None
    ) -> Stored: ...
    @overload
    def resolve_alert(
        self, alert_id: str, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def resolve_alert(
        self, alert_id: str, *, wait: bool = True, timeout: float | None = None
    ) -> Stored | int:
        """Resolve an alert, once; returns it. Raises `NotFound`."""
        answer: Stored | int = self._call("resolve_alert", (alert_id,), (), False, wait, timeout)
        return answer

    @overload
    def update_portfolio(
        self, portfolio: Record, *, wait: Literal[True] = True, timeout: float | None = None
    ) -> Stored: ...
    @overload
    def update_portfolio(
        self, portfolio: Record, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def update_portfolio(
        self, portfolio: Record, *, wait: bool = True, timeout: float | None = None
    ) -> Stored | int:
        """Store a snapshot of the portfolio; returns it."""
        answer: Stored | int = self._call(
            "update_portfolio", (), (portfolio,), False, wait, timeout
        )
        return answer

    @overload
    def record_signal(
        self,
        agent_id: str,
        signal: Record,
        *,
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_signal(
        self, agent_id: str, signal: Record, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def record_signal(
        self, agent_id: str, signal: Record, *, wait: bool = True, timeout: float | None = None
    ) -> Stored | int:
        """Store an agent's signal; returns it as stored."""
        answer: Stored | int = self._call(
            "record_signal", (agent_id,), (signal,), False, wait, timeout
        )
        return answer

    @overload
    def update_agent(
        self,
        agent_id: str,
        update: Record,
        *,
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def update_agent(
        self, agent_id: str, update: Record, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def update_agent(
        self, agent_id: str, update: Record, *, wait: bool = True, timeout: float | None = None
    ) -> Stored | int:
        """Store what an agent says of itself; returns the agent."""
        answer: Stored | int = self._call(
            "update_agent", (agent_id,), (update,), False, wait, timeout
        )
        return answer

    @overload
    def report_system(
        self, sample: Record, *, wait: Literal[True] = True, timeout: float | None = None
    ) -> Stored: ...
    @overload
    def report_system(
        self, sample: Record, *, wait: Literal[False], timeout: float | None = None
    ) -> int: ...
    def report_system(
        self, sample: Record, *, wait: bool = True, timeout: float | None = None
    ) -> Stored | int:
        """Store how a component is doing; returns the sample."""
        answer: Stored | int = self._call("report_system", (), (sample,), False, wait, timeout)
        return answer


def listed(records: Records, on_error: str = STOP) -> list[Any]:
    """The records of a list, an iterable or a DataFrame.

    Raises:
        ValidationProblem: for what is no list, or too long a one.
    """
    return finish(listing(records, on_error))
