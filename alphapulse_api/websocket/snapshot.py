"""The present state of a channel, sent before its events.

Clients that were cut off together come back together: what they ask for at one place of the log is
read, encoded and framed once, and kept once for as long as an event may still say it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from alphapulse_api.cache import Flights
from alphapulse_api.data import outbox
from alphapulse_api.data.accessors import Accessors
from alphapulse_api.encoding import canonical, dumps
from alphapulse_api.errors import NotFound, Unavailable
from alphapulse_api.events.base import Channel, Event, message
from alphapulse_api.times import now, to_micros
from alphapulse_api.websocket.frames import chunks
from alphapulse_api.websocket.protocol import Filters
from alphapulse_api.websocket.subscription import Subscription, passes

TRADES: Final = 50
LOOK_SECONDS: Final = 1.0
Rows = Sequence[Mapping[str, Any]]


class Snapshot:
    """What one reading told, shared by all subscriptions that it was read for.

    They began at one place and have the same filters, so each of them is offered the same events in
    the same order, some sooner and some later: what is found of an event holds for all of them.

    Args:
        channel: whose state it is.
        cursor: the place at which they began.
        rows: what was read.
        pending: ids of outbox rows that were there when it had been read: of some of its rows'
            states the events are still to come.

    Attributes:
        channel: as given.
        chunks: joined frames.
        pending: those that are there still.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_asked",
        "_current_since",
        "_overtaken",
        "_told",
        "channel",
        "chunks",
        "pending",
    )

    def __init__(
        self, channel: Channel, cursor: str, rows: Rows, pending: AbstractSet[str] = frozenset()
    ) -> None:
        self.chunks: Sequence[bytes] = chunks(
            message(channel, cursor, dumps(row), snapshot=True) for row in rows
        )
        self.channel = channel
        self.pending = pending
        self._current_since = time.monotonic()
        self._told = {}
        for row in rows:
            identity, stage = channel.identity(row)
            self._told[identity] = (stage, row)
        # By identity, the offset of the first event that said something else of it.
        self._overtaken: dict[Any, int] = {}
        self._asked: Event | None = None
        self._answer = False

    def __repr__(self) -> str:
        return f"<Snapshot {self.channel.name} rows={len(self._told)}>"

    def over(self, seconds: float, *, behind: bool) -> bool:
        """Whether no event that it has told can come any more; to be asked now and then.

        Args:
            seconds: in which an event comes that is in the log.
            behind: whether the log says that it is behind.
        """
        at = time.monotonic()
        if behind or self.pending:
            self._current_since = at
        return at - self._current_since >= seconds

    def look(self, there: AbstractSet[str]) -> None:
        """Take in which rows are in the outbox."""
        self.pending &= there
        self._current_since = time.monotonic()

    def tells(self, event: Event) -> bool:
        """Whether an event says nothing that the snapshot has not said.

        Args:
            event: one that is wanted; each subscription asks of them in their order.
        """
        # An event is dealt to one subscription after the other.
        if event is not self._asked:
            self._answer = self._tells(event)
            self._asked = event
        return self._answer

    def _tells(self, event: Event) -> bool:
        identity, stage = self.channel.identity(event.data)
        told = self._told.get(identity)
        if told is None:
            return False
        overtaken = self._overtaken.get(identity)
        if overtaken is not None and event.offset >= overtaken:
            # Whoever was sent that one is to be sent what follows, also if the snapshot had it.
            return False
        known, row = told
        if known > to_micros(now()):
            # A portfolio from ahead of now gives way to whatever is received after it.
            known = 0
        # Compared as JSON: a store may give back "1.0" for what the event has as a Decimal.
        if stage < known or canonical(event.data) == canonical(row):
            return True
        self._overtaken[identity] = event.offset
        return False


class Snapshots:
    """Reads them.

    Args:
        accessors: from where.
    """

    def __init__(self, accessors: Accessors) -> None:
        self._accessors = accessors
        self._flights = Flights()
        self._awaiting: WeakSet[Snapshot] = WeakSet()  # with rows that are still in the outbox
        self._look = asyncio.Event()

    async def watch_forever(self) -> None:
        """Find out which rows of the outbox have been relayed since a snapshot, until cancelled."""
        while True:
            await self._look.wait()
            await asyncio.sleep(LOOK_SECONDS)
            awaiting = list(self._awaiting)
            try:
                there = {
                    channel: await outbox.pending(self._accessors.engine, channel)
                    for channel in {snapshot.channel.name for snapshot in awaiting}
                }
            except Unavailable:
                continue
            for snapshot in awaiting:
                snapshot.look(there[snapshot.channel.name])
                if not snapshot.pending:
                    self._awaiting.discard(snapshot)
            if not self._awaiting:
                self._look.clear()

    async def of(self, subscription: Subscription) -> Snapshot:
        """What a subscription is told first; it stands in the hub already, and holds what comes.

        A reading that is under way will do if it is for subscriptions that began at the same place:
        all that was told up to there had been stored before it began, and all that was told since
        they hold. One that began elsewhere would leave a gap between the two.
        """
        channel, cursor, filters = subscription.channel, subscription.cursor, subscription.filters
        key = (channel.name, subscription.after, cursor, frozenset(filters.items()))
        return await self._flights.once(key, partial(self._read, channel, cursor, filters))

    async def _read(self, channel: Channel, cursor: str, filters: Filters) -> Snapshot:
        rows = await read_snapshot(self._accessors, channel, filters)
        if channel.name in self._accessors.replaced:
            return Snapshot(channel, cursor, rows)
        # Read after them: what is relayed in between comes as any event does.
        pending = await outbox.pending(self._accessors.engine, channel.name)
        snapshot = Snapshot(channel, cursor, rows, pending)
        if pending:
            self._awaiting.add(snapshot)
            self._look.set()
        return snapshot


async def read_snapshot(accessors: Accessors, channel: Channel, filters: Filters) -> Rows:
    """The rows of a snapshot.

    Metrics: the newest point of each matching series. Alerts: the unresolved ones, oldest first.
    Trades: the newest 50, oldest first. Portfolio: the current one, if there is one.
    """
    rows = await _READERS[channel.name](accessors, filters)
    return [row for row in rows if passes(channel, filters, row)]


async def _metrics(accessors: Accessors, filters: Filters) -> Rows:
    latest = accessors.method("metrics", "get_latest_metrics")
    types = filters.get("metric_types")
    if types is None:
        every: Rows = await latest(None)
        return every
    return [row for metric_type in sorted(types) for row in await latest(metric_type)]


async def _alerts(accessors: Accessors, filters: Filters) -> Rows:
    if "alerts" in accessors.replaced:
        rows = await accessors.method("alerts", "get_alerts")()
        return [row for row in reversed(rows) if row["status"] != "resolved"]
    unresolved: list[Mapping[str, Any]] = []
    cursor = None
    while True:
        page = await accessors.alerts.get_alerts(unresolved=True, limit=1000, cursor=cursor)
        unresolved.extend(page)
        cursor = page.next_cursor
        if cursor is None:
            return unresolved[::-1]


async def _trades(accessors: Accessors, filters: Filters) -> Rows:
    columns = {"symbols": "symbol", "strategies": "strategy"}
    wanted = {columns[name]: sorted(values) for name, values in filters.items()}
    rows = await accessors.method("trades", "get_trades")(**wanted, limit=TRADES)
    return list(reversed(rows))


async def _portfolio(accessors: Accessors, filters: Filters) -> Rows:
    try:
        return [await accessors.method("portfolio", "get_portfolio")()]
    except NotFound:
        return []


_READERS: Final = {
    "metrics": _metrics,
    "alerts": _alerts,
    "trades": _trades,
    "portfolio": _portfolio,
}
