"""What the trading side calls: validate, store, invalidate, publish, in that order.

A call returns when its record is stored durably and its event is in the log.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from marshmallow import ValidationError

from alphapulse_api.domain.errors import Conflict, ValidationProblem
from alphapulse_api.domain.plain import plain
from alphapulse_api.domain.points import Points
from alphapulse_api.domain.times import CLOCK_AHEAD, now
from alphapulse_api.record.batches import Refused, loading_each, outcomes_of, result_of
from alphapulse_api.record.calls import Calls
from alphapulse_api.record.completion import (
    Stored,
    complete,
    complete_trade,
    completing_trades,
    set_time,
    valuing,
)
from alphapulse_api.record.point_queue import PointQueue
from alphapulse_api.record.publishing import Publisher
from alphapulse_api.record.relay import Relay
from alphapulse_api.runtime.slices import Slices, releasing
from alphapulse_api.schemas.agents import AgentUpdate, Signal
from alphapulse_api.schemas.alerts import Alert
from alphapulse_api.schemas.batches import ON_ERROR, STOP
from alphapulse_api.schemas.fast_points import load_points, loading_points
from alphapulse_api.schemas.fields import Identifier, allow_ahead
from alphapulse_api.schemas.loading import Refusal, load, loading
from alphapulse_api.schemas.metrics import MetricPoint
from alphapulse_api.schemas.portfolio import Portfolio
from alphapulse_api.schemas.system import SystemSample
from alphapulse_api.schemas.trades import Trade
from alphapulse_api.storage.accessors import Accessors
from alphapulse_api.storage.stores import Written

MAX_BATCH = 10_000
_IDENTIFIER = Identifier()
Record = Mapping[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


def _to_its_end(
    method: Callable[Concatenate[Feed, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Feed, P], Coroutine[Any, Any, T]]:
    """Cancelling the caller, or closing the feed, never leaves a record stored but unpublished."""

    @wraps(method)
    async def call(self: Feed, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._calls.run(method(self, *args, **kwargs))

    return call


class Feed:
    """Records what happens.

    Every method raises `ValidationProblem` for a record that is not valid (nothing is stored
    then), `Conflict` for an id that exists with other content, `Unavailable` while the
    database is away, and `DashboardClosed` once the dashboard ends. A call that began before that
    completes.

    Args:
        accessors: where records are stored.
        relay: to the log that publishes them.
        ahead: seconds by which a record's time may be ahead of this clock.
        slices: for long checks on the loop.
    """

    def __init__(
        self,
        accessors: Accessors,
        relay: Relay,
        ahead: float = CLOCK_AHEAD,
        slices: Slices | None = None,
    ) -> None:
        self._slices = slices or Slices()
        self._accessors = accessors
        self._ahead = ahead
        self._publisher = Publisher(accessors, relay)
        self._point = MetricPoint()
        self._trade = Trade()
        self._trades = Trade(many=True)
        self._alert = Alert()
        self._portfolio = Portfolio()
        self._signal = Signal()
        self._agent = AgentUpdate()
        self._sample = SystemSample()
        for schema in (
            self._point, self._trade, self._trades, self._alert, self._portfolio, self._signal,
            self._sample,
        ):  # fmt: skip
            allow_ahead(schema, ahead)
        self._calls = Calls()
        self.queue = PointQueue(self._store_metrics)

    def of_host(self) -> Feed:
        """The same feed for the host, whose calls end before those of HTTP requests do."""
        feed = copy.copy(self)
        feed._calls = Calls()
        return feed

    def open(self) -> None:
        """Take calls, also after `close`."""
        self._calls.open()
        self.queue.open()

    def refuse(self, error: type[RuntimeError]) -> None:
        """Raise an `error` for every later call."""
        self._calls.refuse(error)

    async def close(self) -> None:
        """Take no more calls, wait for those under way, and store the points handed over."""
        await self._calls.close()
        await self.queue.close()

    async def record_metrics(self, points: Record | Sequence[Record], *, wait: bool = True) -> int:
        """Store one point or up to 10000, and tell the metrics channel.

        Args:
            wait: False hands them over, as `hand_over` does, and returns at once.

        Returns:
            How many were stored, or handed over.
        """
        return await self._record_metrics(points) if wait else self.hand_over(points)

    def hand_over(self, points: Record | Sequence[Record]) -> int:
        """Leave points to be stored soon; takes microseconds, from any thread.

        They are lost if the process is killed first. What is not valid is counted and left out;
        once 100000 wait, further points are refused and counted (`alphapulse_points_refused_total`
        in /metrics).

        Returns:
            How many were taken: all or none.
        """
        self._calls.check()
        if isinstance(points, Mapping):
            return self.queue.put([points])
        _check_batch(points)
        return self.queue.put(points)

    @_to_its_end
    async def _record_metrics(self, points: Record | Sequence[Record]) -> int:
        return await self._store_metrics(points)

    async def _store_metrics(self, points: Record | Sequence[Record]) -> int:
        at = now()
        if isinstance(points, Mapping):
            checked = self._one_checked(points, at)
        else:
            _check_batch(points)
            checked = await self._slices.run(loading_points(points, at, self._ahead))
        return await self._store_points(checked)

    async def _store_points(self, checked: Points) -> int:
        tags = checked.tags
        stored = await self._publisher.stored(self._accessors.metrics.add_points(checked), *tags)
        await self._publisher.published("metrics", checked, tags)
        return stored

    def _one_checked(self, point: Record, at: datetime) -> Points:
        try:
            return load_points([point], at, self._ahead)
        except ValidationProblem:
            # The schema tells the same of a record by itself: not of number 0 in a list.
            return Points.of([{"timestamp": at, **load(self._point, point)}])

    @_to_its_end
    async def record_trade(self, trade: Record) -> dict[str, Any]:
        """Store one trade and tell the trades channel; returns it as stored."""
        record, server_set = complete_trade(load(self._trade, trade))
        ((stored, new),) = await self._store_trades([record], [server_set], one=True)
        return Stored(stored, new)

    @_to_its_end
    async def record_trades(self, trades: Sequence[Record]) -> list[dict[str, Any]]:
        """Store up to 10000 trades, all or none; returns them as stored."""
        _check_batch(trades)
        records = await self._slices.run(loading(self._trades, trades))
        server_set = await self._slices.run(completing_trades(records))
        stored = await self._store_trades(records, server_set)
        await self._slices.run(releasing(records))
        return [trade for trade, _ in stored]

    @_to_its_end
    async def record_trades_batch(
        self, trades: Sequence[Record], *, on_error: str = STOP
    ) -> dict[str, Any]:
        """Store up to 10000 trades and say what became of each.

        Args:
            trades: the records.
            on_error: "stop": all of them or none; "continue": those that are not valid, or whose
                id exists with other content, are left out.

        Returns:
            `accepted` and `refused`, how many, and `results`: of each, by position, `status` (201
            stored, 200 stored before, 409, 422), its `id`, or the `error`.
        """
        _check_batch(trades, on_error)
        refused: Refused = {}
        positions: Sequence[int]
        if on_error == STOP:
            records = await self._slices.run(loading(self._trades, trades))
            positions = range(len(records))
        else:
            loaded = await self._slices.run(loading_each(self._trade, trades, refused))
            positions, records = list(loaded), list(loaded.values())
            loaded.clear()
        server_set = await self._slices.run(completing_trades(records))
        conflicts: dict[int, Conflict] = {}
        stored = await self._store_trades(
            records, server_set, None if on_error == STOP else conflicts
        )
        await self._slices.run(releasing(records))
        refused.update((positions[n], Refusal.of(conflict)) for n, conflict in conflicts.items())
        results = await self._slices.run(outcomes_of(positions, stored))
        await self._slices.run(releasing(stored))
        return await self._slices.run(result_of(len(trades), refused, results))

    @_to_its_end
    async def record_metrics_batch(
        self, points: Sequence[Record], *, on_error: str = STOP
    ) -> dict[str, Any]:
        """Store up to 10000 points and say what became of each, as `record_trades_batch` does."""
        _check_batch(points, on_error)
        refused: Refused | None = None if on_error == STOP else {}
        checked = await self._slices.run(loading_points(points, now(), self._ahead, refused))
        if checked:
            await self._store_points(checked)
        stored = {position: {"status": 201} for position in range(len(points))}
        return await self._slices.run(result_of(len(points), refused or {}, stored))

    @_to_its_end
    async def raise_alert(self, alert: Record) -> dict[str, Any]:
        """Store an alert and tell the alerts channel; returns it as stored."""
        record = load(self._alert, alert)
        server_set = complete(record, "created_at")
        work = self._accessors.alerts.add_alert(record, server_set=server_set)
        stored, new = await self._publisher.stored(work, "alerts")
        await self._publisher.published("alerts", [stored] if new else [])
        return Stored(stored, new)

    @_to_its_end
    async def acknowledge_alert(
        self, alert_id: str, user: str, comments: str | None = None
    ) -> dict[str, Any]:
        """Acknowledge an alert, once; returns it. Raises `NotFound`."""
        work = self._accessors.alerts.try_to_acknowledge(alert_id, user, comments)
        return await self._change_alert(work)

    @_to_its_end
    async def resolve_alert(self, alert_id: str) -> dict[str, Any]:
        """Resolve an alert, once; returns it. Raises `NotFound`."""
        return await self._change_alert(self._accessors.alerts.try_to_resolve(alert_id))

    @_to_its_end
    async def update_portfolio(self, portfolio: Record) -> dict[str, Any]:
        """Store a snapshot of the portfolio and tell the portfolio channel; returns it."""
        record: dict[str, Any] = await self._slices.run(loading(self._portfolio, portfolio))
        server_set = set_time(record, "as_of")
        record["positions"] = await self._slices.run(valuing(record))
        work = self._accessors.portfolio.set_portfolio(record, server_set=server_set)
        stored, revision = await self._publisher.stored(work, "portfolio")
        # A late snapshot belongs to the history: no event.
        await self._publisher.published("portfolio", [] if revision is None else [stored])
        return stored

    @_to_its_end
    async def record_signal(self, agent_id: str, signal: Record) -> dict[str, Any]:
        """Store an agent's signal; returns it as stored."""
        agent_id = _agent_id(agent_id)
        record = load(self._signal, signal)
        server_set = complete(record, "timestamp")
        if record.setdefault("agent_id", agent_id) != agent_id:
            raise ValidationProblem(
                [{"pointer": "/agent_id", "detail": f"The path says {agent_id!r}."}]
            )
        work = self._accessors.agents.add_signal(record, server_set=server_set)
        stored, new = await self._publisher.stored(work, "agents")
        await self._publisher.published("agents")
        return Stored(stored, new)

    @_to_its_end
    async def update_agent(self, agent_id: str, update: Record) -> dict[str, Any]:
        """Store what an agent says of itself; what is left out stays; returns the agent."""
        agent_id = _agent_id(agent_id)
        record = load(self._agent, update)
        work = self._accessors.agents.set_agent(agent_id, record)
        stored = await self._publisher.stored(work, "agents")
        await self._publisher.published("agents")
        return stored

    @_to_its_end
    async def report_system(self, sample: Record) -> dict[str, Any]:
        """Store how a component is doing; returns the sample."""
        record = load(self._sample, sample)
        record.setdefault("timestamp", now())
        stored = await self._publisher.stored(self._accessors.system.add_sample(record), "system")
        await self._publisher.published("system")
        return stored

    async def _store_trades(
        self,
        records: Sequence[dict[str, Any]],
        server_set: Sequence[frozenset[str]],
        conflicts: dict[int, Conflict] | None = None,
        *,
        one: bool = False,
    ) -> list[Written]:
        """Each trade as stored, and whether it is new; see `TradeStore.add_trades`."""
        work = self._accessors.trades.add_trades(
            records, server_set=server_set, one=one or conflicts is not None, conflicts=conflicts
        )
        stored = await self._publisher.stored(work, "trades")
        new = (trade for n, (trade, new) in enumerate(stored) if new and n not in (conflicts or ()))
        await self._publisher.published("trades", new)
        return stored

    async def _change_alert(self, work: Awaitable[Written]) -> dict[str, Any]:
        alert, changed = await self._publisher.stored(work, "alerts")
        await self._publisher.published("alerts", [alert] if changed else [])
        return alert


def _check_batch(records: Sequence[Record], on_error: str = STOP) -> None:
    if on_error not in ON_ERROR:
        raise ValidationProblem.parameter("on_error", f"Must be one of: {', '.join(ON_ERROR)}.")
    if not isinstance(records, Sequence) or isinstance(records, str | bytes):
        raise ValidationProblem([{"pointer": "", "detail": "Not a list of records."}])
    if len(records) > MAX_BATCH:
        detail = f"At most {MAX_BATCH} records a call, not {len(records)}."
        raise ValidationProblem([{"pointer": "", "detail": detail}])


def _agent_id(agent_id: str) -> str:
    """Raises `ValidationProblem` for an id that could not stand in a path."""
    try:
        return str(_IDENTIFIER.deserialize(plain(agent_id)))
    except ValidationError as error:
        raise ValidationProblem(
            [{"pointer": "/agent_id", "detail": str(error.messages[0])}]
        ) from None
