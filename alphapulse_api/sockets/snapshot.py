"""Snapshots: the present state of a channel, sent before its events.

Clients that lost their connections together come back together. A snapshot that several of them ask
for at one position of the log is read, encoded and framed once. One copy is kept until every event
that it includes has passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final
from weakref import WeakSet

from alphapulse_api.cache import SingleFlight
from alphapulse_api.domain.channels import BOOKS, Channel
from alphapulse_api.domain.encoded import Encoded, json_of
from alphapulse_api.domain.encoding import canonical, dumps
from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.log.base import Event, message
from alphapulse_api.runtime.slices import Slices, Steps, finish
from alphapulse_api.sockets.filters import Filters
from alphapulse_api.sockets.frames import Chunks
from alphapulse_api.sockets.options import CHANGES_OF
from alphapulse_api.sockets.readings import Readings
from alphapulse_api.sockets.snapshot_rows import NEWEST_FIRST, Rows, read_snapshot
from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.storage import outbox
from alphapulse_api.storage.engine import Engine
from alphapulse_api.view import Views

POLL_SECONDS: Final = 1.0
STEP: Final = 10  # rows encoded between two pauses
PARTS: Final = 16  # of a table of numbers


class _Numbers:
    """Numbers by hash, in several dicts: one large dict holds the event loop while it grows."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: tuple[dict[int, int], ...] = tuple({} for _ in range(PARTS))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __setitem__(self, key: int, number: int) -> None:
        self._parts[key % PARTS][key] = number

    def get(self, key: int) -> int | None:
        return self._parts[key % PARTS].get(key)


class Snapshot:
    """The result of one read, shared by all subscriptions that it was read for.

    These subscriptions began at one position and have the same filters, so each of them is offered
    the same events in the same order. The answer for an event therefore holds for all of them.

    Args:
        channel: whose state it is.
        cursor: the position at which the subscriptions began.
        at: monotonic time in seconds.
        rows: the state, if it is small; otherwise it is added with `adding`.
        pending: ids of the outbox rows that existed after the read; some of their events are about
            states that the snapshot already has.

    Attributes:
        channel: as given.
        portfolios: the rows, of the channel portfolio only.
        pending: those of the outbox rows that still exist.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_checked",
        "_contents",
        "_current_since",
        "_cursor",
        "_encoded",
        "_frames",
        "_overtaken",
        "_rows",
        "_stages",
        "channel",
        "pending",
        "portfolios",
    )

    def __init__(
        self,
        channel: Channel,
        cursor: str,
        at: float,
        rows: Rows = (),
        pending: AbstractSet[str] = frozenset(),
    ) -> None:
        self.channel = channel
        self.pending = pending
        self.portfolios: list[Mapping[str, Any]] = []
        self._cursor = cursor
        self._current_since = at
        self._frames = Chunks()
        self._rows = 0
        # By the hash of an identity: its stage, and the hash of its JSON. Rows would be hundreds of
        # thousands of objects for the garbage collector to traverse.
        self._stages = _Numbers()
        self._contents = _Numbers()
        # By identity, the offset of the first event that is newer than the snapshot.
        self._overtaken: dict[Any, int] = {}
        self._encoded = False  # whether rows have the same JSON as their events
        self._checked: Event | None = None
        self._answer = False
        finish(self.adding(rows, {}))

    def __repr__(self) -> str:
        return f"<Snapshot {self.channel.name} rows={self._rows}>"

    @property
    def chunks(self) -> Sequence[bytes]:
        """Joined frames of all rows that were added, and of the end."""
        return self._frames.join()

    def adding(self, rows: Rows, filters: Filters) -> Steps[None]:
        """Add the rows that pass the filters, in steps."""
        channel, cursor = self.channel, self._cursor
        for number, row in enumerate(rows, 1):
            if channel.passes(filters, row):
                self._frames.add(message(channel, cursor, json_of(row), snapshot=True))
                self._rows += 1
                if channel.name == CHANGES_OF:
                    self.portfolios.append(row)
                identity, stage = channel.identity(row)
                key = hash(identity)
                self._stages[key] = stage
                self._encoded = isinstance(row, Encoded)
                content = json_of(row) if self._encoded else canonical(row)
                self._contents[key] = hash(content)
            if not number % STEP:
                yield

    def end(self) -> None:
        """Add the message with the number of rows of the snapshot."""
        end = {"type": "snapshot_end", "channel": self.channel.name, "count": self._rows}
        self._frames.add(dumps(end))

    def expired(self, at: float, seconds: float, *, behind: bool) -> bool:
        """Return whether every event that it includes has passed; to be polled.

        Args:
            at: monotonic time in seconds.
            seconds: within which an event of the log arrives.
            behind: whether the log is behind.
        """
        if behind or self.pending:
            self._current_since = at
        return at - self._current_since >= seconds

    def update_pending(self, outbox_ids: AbstractSet[str], at: float) -> None:
        """Note which rows are in the outbox at the monotonic time `at`."""
        self.pending &= outbox_ids
        self._current_since = at

    def includes(self, event: Event) -> bool:
        """Return whether the snapshot already contains an event's state, or a newer one.

        Args:
            event: one that passes the filters; each subscription asks for its events in order.
        """
        # An event is offered to one subscription after the other, so the last answer is kept.
        if event is not self._checked:
            self._answer = self._includes(event)
            self._checked = event
        return self._answer

    def _includes(self, event: Event) -> bool:
        identity, stage = self.channel.identity(event.data)
        key = hash(identity)
        known = self._stages.get(key)
        if known is None:
            return False
        overtaken = self._overtaken.get(identity)
        if overtaken is not None and event.offset >= overtaken:
            # A newer state was sent, so what follows must be sent too, even if it is included.
            return False
        if known > to_micros(now()):
            # A portfolio whose time is ahead of the clock gives way to the next one received.
            known = 0
        if stage < known:
            return True
        # Compared as JSON: a store may return "1.0" where the event has a Decimal.
        content = event.json if self._encoded else canonical(event.data)
        if hash(content) == self._contents.get(key):
            return True
        self._overtaken[identity] = event.offset
        return False


class Snapshots:
    """Reads snapshots and shares them.

    Args:
        views: what may be read.
        engine: the database, which has the outbox.
        slices: runs long encodings in slices.
        readings: the callers' budgets.
    """

    def __init__(self, views: Views, engine: Engine, slices: Slices, readings: Readings) -> None:
        self._views = views
        self._engine = engine
        self._slices = slices
        self._readings = readings
        self._single_flight = SingleFlight(abandon=True)
        self._awaiting: WeakSet[Snapshot] = WeakSet()  # those with pending outbox rows
        self._look = asyncio.Event()

    async def watch_forever(self) -> None:
        """Poll the outbox for rows that snapshots wait for, until cancelled."""
        while True:
            await self._look.wait()
            await asyncio.sleep(POLL_SECONDS)
            awaiting = list(self._awaiting)
            try:
                outbox_ids = {
                    channel: await outbox.pending(self._engine, channel)
                    for channel in {snapshot.channel.name for snapshot in awaiting}
                }
            except Unavailable:
                continue
            at = asyncio.get_running_loop().time()
            for snapshot in awaiting:
                snapshot.update_pending(outbox_ids[snapshot.channel.name], at)
                if not snapshot.pending:
                    self._awaiting.discard(snapshot)
            if not self._awaiting:
                self._look.clear()

    async def of(self, subscription: Subscription, caller: str) -> Snapshot:
        """Return the snapshot of a subscription, which holds its events in the meantime.

        A read in progress is shared if its subscriptions began at the same position: everything
        published up to there was stored before the read began, and they hold everything published
        since. A read that began at another position would leave a gap.

        Args:
            subscription: already in the fan-out.
            caller: whose budget it counts against, unless it is shared.

        Raises:
            RateLimited: if the caller's budget is used up.
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
        parts = await read_snapshot(
            self._views.passing(filters.get(BOOKS)), channel, filters, charge
        )
        pending: AbstractSet[str] = frozenset()
        if self._views.managed(channel.name):
            # Read after the rows: a row relayed in between arrives as an ordinary event.
            pending = await outbox.pending(self._engine, channel.name)
        at = asyncio.get_running_loop().time()
        snapshot = Snapshot(channel, cursor, at, pending=pending)
        backwards = channel.name in NEWEST_FIRST
        if not backwards:
            parts.reverse()
        while parts:  # a part is released once it is encoded
            rows = parts.pop()
            await self._slices.run(snapshot.adding(rows[::-1] if backwards else rows, filters))
        snapshot.end()
        if pending:
            self._awaiting.add(snapshot)
            self._look.set()
        return snapshot
