"""The calls that write. They are idempotent: a call that is sent twice takes effect once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from alphapulse_api.client import values
from alphapulse_api.client.decision_rows import Decision, UsageRecord
from alphapulse_api.client.http import segment
from alphapulse_api.client.prepared import Extras, Prepared, Record, Records
from alphapulse_api.client.reading import Reading
from alphapulse_api.client.rows import (
    Agent,
    AgentState,
    Alert,
    BatchResult,
    Command,
    OnError,
    Portfolio,
    Signal,
    Silence,
    SystemSample,
    Trade,
)
from alphapulse_api.client.values import Shape
from alphapulse_api.domain.host_objects import fields_of, items_of


class Writing(Prepared, Reading):
    """Every POST and PUT of the API as a method."""

    async def record_metrics(self, points: Record | Records) -> int:
        """Record a point, or up to 10000, all or none; return their number."""
        given = [points] if fields_of(points) is not None else self._items(points)
        body = self._timed(given)
        accepted: int = (await self._send("POST", "/api/metrics", body))["accepted"]
        return accepted

    async def update_portfolio(
        self, portfolio: Record, *, if_match: Portfolio | str | None = None
    ) -> Portfolio:
        """Record the portfolio as of `as_of` (default: now); return it as stored.

        Args:
            portfolio: the record.
            if_match: what `portfolio` or this method returned before, or an ETag: store nothing if
                the current portfolio has changed since. "*": store nothing if there is none.

        Raises:
            ApiError: 412, if `if_match` does not hold.
        """
        body = self._given(portfolio, as_of=datetime.now(UTC))
        if (positions := items_of(body.get("positions"))) is not None:
            body["positions"] = [self._given(position) for position in positions]
        stored: Portfolio = await self._put("/api/portfolio", body, values.PORTFOLIO, if_match)
        return stored

    async def raise_alert(self, alert: Record, *, extras: Extras = "refuse") -> Alert:
        """Raise an alert; return it as stored."""
        body = self._named(alert, extras, Alert)
        stored: Alert = await self._send("POST", "/api/alerts", body, values.ALERT)
        return stored

    async def acknowledge_alert(
        self,
        alert_id: str,
        *,
        comments: str | None = None,
        user: str | None = None,
        book: str | None = None,
    ) -> Alert:
        """Acknowledge an alert as the caller, or as `user`; a second time changes nothing.

        Args:
            alert_id: its id.
            comments: why.
            user: who acknowledges; only an admin may name another user.
            book: needed where several books have an alert of this id.
        """
        said = {"comments": comments, "user": user}
        body = {name: value for name, value in said.items() if value is not None}
        path = f"/api/alerts/{segment(alert_id)}/acknowledge"
        alert: Alert = await self._send("POST", path, body, values.ALERT, book)
        return alert

    async def resolve_alert(self, alert_id: str, *, book: str | None = None) -> Alert:
        """Resolve an alert; a second time changes nothing; `book` as in `acknowledge_alert`."""
        path = f"/api/alerts/{segment(alert_id)}/resolve"
        alert: Alert = await self._send("POST", path, {}, values.ALERT, book)
        return alert

    async def send_command(self, agent_id: str, command: Record) -> Command:
        """Send a command that the agent declares; return it as stored.

        Args:
            agent_id: to whom.
            command: `name`; also `parameters`, `reason` and `ttl` (seconds).
        """
        path = f"/api/agents/{segment(agent_id)}/commands"
        body = self._named(command, "refuse", Command)
        stored: Command = await self._send("POST", path, body, values.COMMAND)
        return stored

    async def halt_agents(self, *, reason: str | None = None) -> list[Command]:
        """Send `halt` to every agent that declares it, or to none; return the commands."""
        body = self._named({"reason": reason} if reason else {}, "refuse", Command)
        stored = await self._send("POST", "/api/commands/halt", body)
        return [values.convert(one, values.COMMAND) for one in stored]

    async def create_silence(self, silence: Record) -> Silence:
        """Tell nobody of some alerts for a while; return the silence as stored.

        Args:
            silence: `matchers` and `until`; also `starts_at` (default: now) and `comment`.
        """
        body = self._named(silence, "refuse", Silence)
        stored: Silence = await self._send("POST", "/api/silences", body, values.SILENCE)
        return stored

    async def end_silence(self, silence_id: str) -> Silence:
        """End a silence now and return it; one that is over stays as it is."""
        path = f"/api/silences/{segment(silence_id)}"
        silence: Silence = await self._send("DELETE", path, None, values.SILENCE)
        return silence

    async def record_trade(self, trade: Record, *, extras: Extras = "refuse") -> Trade:
        """Record a trade; return it as stored.

        Args:
            trade: the record.
            extras: "metadata" moves fields that the API does not know into the metadata.
        """
        body = self._named(trade, extras, Trade)
        stored: Trade = await self._send("POST", "/api/trades", body, values.TRADE)
        return stored

    async def record_trades(self, trades: Records, *, extras: Extras = "refuse") -> int:
        """Record up to 10000 trades, all or none; return their number."""
        body = [self._named(trade, extras, Trade) for trade in self._items(trades)]
        accepted: int = (await self._send("POST", "/api/trades", body))["accepted"]
        return accepted

    async def record_trades_batch(
        self, trades: Records, *, on_error: OnError = "stop", extras: Extras = "refuse"
    ) -> BatchResult:
        """Record up to 10000 trades; return a result for each.

        Args:
            trades: the records.
            on_error: "continue" records the valid trades even if others are refused.
            extras: "metadata" moves fields that the API does not know into the metadata.
        """
        body = [self._named(trade, extras, Trade) for trade in self._items(trades)]
        return await self._send_batch("trades", body, on_error)

    async def record_metrics_batch(
        self, points: Records, *, on_error: OnError = "stop"
    ) -> BatchResult:
        """Record up to 10000 metric points; return a result for each."""
        return await self._send_batch("metrics", self._timed(self._items(points)), on_error)

    async def raise_alerts_batch(
        self, alerts: Records, *, on_error: OnError = "stop", extras: Extras = "refuse"
    ) -> BatchResult:
        """Raise up to 10000 alerts; return a result for each."""
        body = [self._named(alert, extras, Alert) for alert in self._items(alerts)]
        return await self._send_batch("alerts", body, on_error)

    async def record_signals_batch(
        self,
        agent_id: str,
        signals: Records,
        *,
        on_error: OnError = "stop",
        extras: Extras = "refuse",
    ) -> BatchResult:
        """Record up to 10000 signals of an agent; return a result for each."""
        body = [self._named(signal, extras, Signal) for signal in self._items(signals)]
        return await self._send_batch(f"agents/{segment(agent_id)}/signals", body, on_error)

    async def report_system_batch(
        self, samples: Records, *, on_error: OnError = "stop"
    ) -> BatchResult:
        """Record up to 10000 samples of components; return a result for each."""
        return await self._send_batch("system", self._timed(self._items(samples)), on_error)

    async def update_agent(
        self,
        agent_id: str,
        *,
        agent_type: str | None = None,
        state: AgentState | None = None,
        metrics: Mapping[str, float | None] | None = None,
        if_match: Agent | str | None = None,
    ) -> Agent:
        """Update the state of an agent; omitted fields keep their values; returns the agent.

        Args:
            agent_id: the agent's id.
            agent_type: the kind of agent.
            state: its current state.
            metrics: the agent's own figures.
            if_match: what `agent` or this method returned before, or an ETag: change nothing if the
                agent has changed since. "*": change nothing if there is none.

        Raises:
            ApiError: 412, if `if_match` does not hold.
        """
        said = {"agent_type": agent_type, "state": state, "metrics": metrics}
        body = {name: value for name, value in said.items() if value is not None}
        path = f"/api/agents/{segment(agent_id)}"
        agent: Agent = await self._put(path, body, values.AGENT, if_match)
        return agent

    async def record_signal(
        self, agent_id: str, signal: Record, *, extras: Extras = "refuse"
    ) -> Signal:
        """Record an agent's signal; return it as stored."""
        path = f"/api/agents/{segment(agent_id)}/signals"
        body = self._named(signal, extras, Signal)
        stored: Signal = await self._send("POST", path, body, values.SIGNAL)
        return stored

    async def record_decision(self, decision: Record, *, extras: Extras = "refuse") -> Decision:
        """Record a decision, with the `signals` and `trades` in it; return it as stored."""
        body = self._decided(decision, extras)
        stored: Decision = await self._send("POST", "/api/decisions", body, values.DECISION)
        return stored

    async def record_decisions_batch(
        self, decisions: Records, *, on_error: OnError = "stop", extras: Extras = "refuse"
    ) -> BatchResult:
        """Record up to 10000 decisions; return a result for each, as `record_trades_batch`."""
        body = [self._decided(decision, extras) for decision in self._items(decisions)]
        return await self._send_batch("decisions", body, on_error)

    async def record_usage(self, usage: Record, *, extras: Extras = "refuse") -> UsageRecord:
        """Record calls of a model that no signal and no decision states; return the record."""
        body = self._named(usage, extras, UsageRecord)
        stored: UsageRecord = await self._send("POST", "/api/usage", body, values.USAGE_RECORD)
        return stored

    async def record_usage_batch(
        self, usage: Records, *, on_error: OnError = "stop", extras: Extras = "refuse"
    ) -> BatchResult:
        """Record up to 10000 of them; return a result for each, as `record_trades_batch`."""
        body = [self._named(item, extras, UsageRecord) for item in self._items(usage)]
        return await self._send_batch("usage", body, on_error)

    async def report_system(self, sample: Record) -> SystemSample:
        """Record a sample of a component; return it as stored."""
        body = self._given(sample, timestamp=datetime.now(UTC))
        stored: SystemSample = await self._send("POST", "/api/system", body, values.SAMPLE)
        return stored

    async def _send_batch(self, resource: str, body: Any, on_error: OnError) -> BatchResult:
        path = f"/api/{resource}/batch"
        answer = await self._request("POST", path, params={"on_error": on_error}, body=body)
        result: BatchResult = answer.content
        return result

    async def _put(
        self, path: str, body: Any, shape: Shape, if_match: Mapping[str, Any] | str | None
    ) -> Any:
        etag = values.etag_of(if_match)
        # If only the answer was lost, a repeat would fail: the first attempt changed the ETag.
        answer = await self._request(
            "PUT", path, body=body, if_match=etag, repeatable=etag in (None, "*")
        )
        return values.tagged(values.convert(answer.content, shape), answer.headers.get("ETag"))

    async def _send(
        self,
        method: str,
        path: str,
        body: Any,
        shape: Shape = values.PLAIN,
        book: str | None = None,
    ) -> Any:
        params = {} if book is None else {"book": book}
        answer = await self._request(method, path, params=params, body=body)
        return values.convert(answer.content, shape)
