"""The feed of a dashboard outside the host's loop: synchronous calls from any thread."""

from __future__ import annotations

from typing import Literal, overload

from alphapulse_api.embed.calling import Stored, unusual
from alphapulse_api.embed.commanding import Commanding
from alphapulse_api.embed.recording import Recording
from alphapulse_api.record.inputs import Extras, Record


class HostFeed(Recording, Commanding):
    """The methods of `Feed` for a synchronous host, with the same names, results and errors.

    Every method takes two more arguments:

    wait: True returns once the record is committed, and raises what the feed raises. False returns
        within microseconds with the number of records that were queued, or 0 if they were dropped;
        `stats()` counts what becomes of them. Queued records must not be changed, and are lost if
        the host is killed before they are stored. An invalid record is refused alone.
    timeout: seconds; None means the dashboard's timeout. A call that waits and gets no answer in
        time raises `Unavailable`, and its record may still be stored. For a call that does not
        wait, it is how long the call may block until there is room in the queue; the default is not
        at all.
    """

    @overload
    def raise_alert(
        self,
        alert: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def raise_alert(
        self,
        alert: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def raise_alert(
        self,
        alert: Record,
        *,
        extras: Extras = "refuse",
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store an alert; returns it as stored."""
        answer: Stored | int = self._call(
            "raise_alert", (), (alert,), False, wait, timeout, **unusual(extras)
        )
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

    def open_book(
        self,
        book: str,
        *,
        mode: str | None = None,
        currency: str | None = None,
        title: str | None = None,
        closed: bool | None = None,
        timeout: float | None = None,
    ) -> Stored:
        """Open a book, or change one; returns it. It always waits, so that records can follow."""
        given = {"mode": mode, "currency": currency, "title": title, "closed": closed}
        said = {name: value for name, value in given.items() if value is not None}
        answer: Stored = self._call("open_book", (book,), (), False, True, timeout, **said)
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
        extras: Extras = "refuse",
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_signal(
        self,
        agent_id: str,
        signal: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_signal(
        self,
        agent_id: str,
        signal: Record,
        *,
        extras: Extras = "refuse",
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store an agent's signal; returns it as stored."""
        answer: Stored | int = self._call(
            "record_signal", (agent_id,), (signal,), False, wait, timeout, **unusual(extras)
        )
        return answer

    @overload
    def record_decision(
        self,
        decision: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_decision(
        self,
        decision: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_decision(
        self,
        decision: Record,
        *,
        extras: Extras = "refuse",
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store a decision, with the signals and trades in it; returns it as stored."""
        answer: Stored | int = self._call(
            "record_decision", (), (decision,), False, wait, timeout, **unusual(extras)
        )
        return answer

    @overload
    def record_usage(
        self,
        usage: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[True] = True,
        timeout: float | None = None,
    ) -> Stored: ...
    @overload
    def record_usage(
        self,
        usage: Record,
        *,
        extras: Extras = "refuse",
        wait: Literal[False],
        timeout: float | None = None,
    ) -> int: ...
    def record_usage(
        self,
        usage: Record,
        *,
        extras: Extras = "refuse",
        wait: bool = True,
        timeout: float | None = None,
    ) -> Stored | int:
        """Store calls of a model that no signal and no decision states; returns the record."""
        answer: Stored | int = self._call(
            "record_usage", (), (usage,), False, wait, timeout, **unusual(extras)
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
        """Store an agent's report on itself; returns the agent."""
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
        """Store a sample of a component's state; returns the sample."""
        answer: Stored | int = self._call("report_system", (), (sample,), False, wait, timeout)
        return answer
