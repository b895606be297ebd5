"""The present state of a channel, sent before its events.

Clients that were cut off together come back together: what they ask for at one place of the log is
read, encoded and framed once, and kept once for as long as an event may still say it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from alphapulse_api.cache import SingleFlight
from alphapulse_api.domain.channels import Channel
from alphapulse_api.domain.encoding import canonical, dumps
from alphapulse_api.domain.errors import NotFound, Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.log.base import Event, message
from alphapulse_api.runtime.slices import Slices, Steps, finish
from alphapulse_api.sockets.frames import Chunks
from alphapulse_api.sockets.protocol import Filters
from alphapulse_api.sockets.readings import QUERY_ROWS, Readings
from alphapulse_api.sockets.subscription import Subscription, passes
from alphapulse_api.storage import outbox
from alphapulse_api.storage.accessors import Accessors

TRADES: Final = 50
LOOK_SECONDS: Final = 1.0
NEWEST_FIRST: Final = frozenset({"alerts", "trades"})  # as they are read; sent oldest first
STEP: Final = 10  # rows that are encoded without a break
Rows = Sequence[Mapping[str, Any]]


class Snapshot:
    """What one reading told, shared by all subscriptions that it was read for.

    They began at one place and have the same filters, so each of them is offered the same events in
    the same order, some sooner and some later: what is found of an event holds for all of them.

    Args:
        channel: whose state it is.
        cursor: the place at which they began.
        rows: what was read, as far as it is few.
        pending: ids of outbox rows that were there when it had been read: of some of its rows'
            states the events are still to come.

    Attributes:
        channel: as given.
        pending: those that are there still.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_asked",
        "_current_since",
        "_cursor",
        "_frames",
        "_overtaken",
        "_said",
        "_stages",
        "channel",
        "pending",
    )

    def __init__(
        self,
        channel: Channel,
        cursor: str,
        rows: Rows = (),
        pending: AbstractSet[str] = frozenset(),
    ) -> None:
        self.channel = channel
        self.pending = pending
        self._cursor = cursor
        self._current_since = time.monotonic()
        self._frames = Chunks()
        # By the hash of an identity: its stage, and the hash of its JSON. Rows themselves would be
        # some hundred thousand objects that the garbage collector looks through.
        self._stages: dict[int, int] = {}
        self._said: dict[int, int] = {}
        # By identity, the offset of the first event that said something else of it.
        self._overtaken: dict[Any, int] = {}
        self._asked: Event | None = None
        self._answer = False
        finish(self.adding(rows, {}))

    def __repr__(self) -> str:
        return f"<Snapshot {self.channel.name} rows={len(self._stages)}>"

    @property
    def chunks(self) -> Sequence[bytes]:
        """Joined frames of all that was added."""
        return self._frames.join()

    def adding(self, rows: Rows, filters: Filters) -> Steps[None]:
        """Add those of the rows that pass the filters."""
        channel, cursor = self.channel, self._cursor
        for number, row in enumerate(rows, 1):
            if passes(channel, filters, row):
                self._frames.add(message(channel, cursor, dumps(row), snapshot=True))
                identity, stage = channel.identity(row)
                key = hash(identity)
                self._stages[key] = stage
                self._said[key] = hash(canonical(row))
            if not number % STEP:
                yield

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
        key = hash(identity)
        known = self._stages.get(key)
        if known is None:
            return False
        overtaken = self._overtaken.get(identity)
        if overtaken is not None and event.offset >= overtaken:
            # Whoever was sent that one is to be sent what follows, also if the snapshot had it.
            return False
        if known > to_micros(now()):
            # A portfolio from ahead of now gives way to whatever is received after it.
            known = 0
        # Compared as JSON: a store may give back "1.0" for what the event has as a Decimal.
        if stage < known or hash(canonical(event.data)) == self._said[key]:
            return True
        self._overtaken[identity] = event.offset
        return False


class Snapshots:
    """Reads them.

    Args:
        accessors: from where.
        slices: for what is long.
        readings: what they cost their callers.
    """

    def __init__(self, accessors: Accessors, slices: Slices, readings: Readings) -> None:
        self._accessors = accessors
        self._slices = slices
        self._readings = readings
        self._single_flight = SingleFlight(abandon=True)
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

    async def of(self, subscription: Subscription, caller: str) -> Snapshot:
        """What a subscription is told first; it stands in the hub already, and holds what comes.

        A reading that is under way will do if it is for subscriptions that began at the same place:
        all that was told up to there had been stored before it began, and all that was told since
        they hold. One that began elsewhere would leave a gap between the two.

        Args:
            subscription: whose.
            caller: who pays for it, unless it is under way.

        Raises:
            RateLimited: if the caller has had too much read.
        """
        channel, cursor, filters = subscription.channel, subscription.cursor, subscription.filters
        key = (channel.name, subscription.after, cursor, frozenset(filters.items()))
        read = partial(self._read, channel, cursor, filters, caller)
        if key in self._single_flight:
            return await self._single_flight.once(key, read)
        async with self._readings.turn(caller):
            return await self._single_flight.once(key, read)

    async def _read(self, channel: Channel, cursor: str, filters: Filters, caller: str) -> Snapshot:
        charge = partial(self._readings.charge, caller)
        parts = await read_snapshot(self._accessors, channel, filters, charge)
        pending: AbstractSet[str] = frozenset()
        if self._accessors.managed(channel.name):
            # Read after them: what is relayed in between comes as any event does.
            pending = await outbox.pending(self._accessors.engine, channel.name)
        snapshot = Snapshot(channel, cursor, pending=pending)
        backwards = channel.name in NEWEST_FIRST
        for rows in reversed(parts) if backwards else parts:
            # Those of a page are made here, when its turn has come.
            await self._slices.run(snapshot.adding(rows[::-1] if backwards else rows, filters))
        if pending:
            self._awaiting.add(snapshot)
            self._look.set()
        return snapshot


async def read_snapshot(
    accessors: Accessors, channel: Channel, filters: Filters, charge: Callable[[int], None]
) -> Sequence[Rows]:
    """The rows of a snapshot, in parts, with some that the filters do not pass.

    Metrics: the newest point of each matching series. Alerts: the unresolved ones, newest first.
    Trades: the newest 50, newest first. Portfolio: the current one, if there is one.

    Args:
        charge: told what was read while it is read, since whoever waits for it may leave.
    """
    parts = []
    async for part in _READERS[channel.name](accessors, filters):
        charge(QUERY_ROWS + len(part))
        if part:
            parts.append(part)
    return parts


async def _metrics(accessors: Accessors, filters: Filters) -> AsyncIterator[Rows]:
    types: Sequence[str | None] = sorted(filters.get("metric_types", ())) or [None]
    names: Sequence[str | None] = sorted(filters.get("names", ())) or [None]
    for metric_type in types:
        for name in names:
            yield ()  # a lookup costs something even if it finds nothing
            async for part in accessors.metrics.latest_in_parts(metric_type, name):
                yield part


async def _alerts(accessors: Accessors, filters: Filters) -> AsyncIterator[Rows]:
    async for part in accessors.alerts.unresolved_in_parts():
        yield part


async def _trades(accessors: Accessors, filters: Filters) -> AsyncIterator[Rows]:
    columns = {"symbols": "symbol", "strategies": "strategy"}
    wanted: dict[str, Any] = {columns[name]: sorted(values) for name, values in filters.items()}
    yield await accessors.trades.get_trades(**wanted, limit=TRADES)


async def _portfolio(accessors: Accessors, filters: Filters) -> AsyncIterator[Rows]:
    try:
        yield [await accessors.portfolio.get_portfolio()]
    except NotFound:
        return


_READERS: Final = {
    "metrics": _metrics,
    "alerts": _alerts,
    "trades": _trades,
    "portfolio": _portfolio,
}
