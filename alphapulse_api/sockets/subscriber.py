"""What one connection is subscribed to, and the join of a channel's past to its present.

The order is: the ack, the past (a replay of the log, or a snapshot of the store), what came while
the past was read, then live; with nothing missing and nothing twice in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import EventLog, Gap
from alphapulse_api.sockets import protocol
from alphapulse_api.sockets.frames import chunks, frame
from alphapulse_api.sockets.history import Stretch
from alphapulse_api.sockets.hub import Hub
from alphapulse_api.sockets.snapshot import Snapshots
from alphapulse_api.sockets.subscription import Subscription
from alphapulse_api.sockets.writer import SocketWriter

if TYPE_CHECKING:
    from alphapulse_api.sockets.connection import Connection


class _Join:
    """One channel of a subscribe that is under way.

    Attributes:
        before: the subscription that it takes the place of, if there is one.
        new: the subscription, which holds what comes.
        missed: what the log has after `since`.
        ack: what the client is told of it.
        past: joined frames that follow the ack.
    """

    __slots__ = ("ack", "before", "missed", "new", "past")

    def __init__(self, before: Subscription | None, new: Subscription) -> None:
        self.before = before
        self.new = new
        self.missed: Stretch | None = None
        self.ack: dict[str, Any] = {"cursor": new.cursor}
        self.past: Sequence[bytes] = ()


class Subscriber:
    """One connection's subscriptions in the hub."""

    __slots__ = ("_connection", "_events", "_hub", "_snapshots", "_writer")

    def __init__(
        self,
        connection: Connection,
        writer: SocketWriter,
        hub: Hub,
        events: EventLog,
        snapshots: Snapshots,
    ) -> None:
        self._connection = connection
        self._writer = writer
        self._hub = hub
        self._events = events
        self._snapshots = snapshots

    async def subscribe(
        self,
        action: protocol.Subscribe,
        caller: str,
        acknowledge: Callable[[dict[str, Any]], None],
    ) -> None:
        """Subscribe to all the channels or, if their past cannot be read, to none.

        Args:
            action: what the client asked for.
            caller: who pays for it.
            acknowledge: sends the ack, given what it says of each channel.
        """
        if action.since or action.snapshot:
            # One stretch of the past at a time, or a client that asks and never reads would fill
            # the memory.
            await self._writer.caught_up()
        # Their cursors may come from a process that is some events ahead of this one.
        await asyncio.gather(*(self._events.reach(*since) for since in action.since.items()))
        # Nothing is awaited between reading the log and joining the hub: no event falls between.
        joins = [
            self._join(name, filters, action.since.get(name))
            for name, filters in action.channels.items()
        ]
        try:
            for join in joins:
                if join.missed is not None:
                    history = await self._hub.histories.framed(join.missed, caller)
                    join.ack["replayed"] = history.events
                    join.past = history.chunks
                elif action.snapshot:
                    join.new.seen = snapshot = await self._snapshots.of(join.new, caller)
                    join.past = snapshot.chunks
        except BaseException:
            for join in joins:
                self._restore(join)
            raise
        self._writer.seal()
        acknowledge({join.new.channel.name: join.ack for join in joins})
        for join in joins:
            self._writer.replay(join.past)
            # What came meanwhile is of the past, too: it is no sign of a slow client.
            self._writer.replay(chunks(event.text for event in join.new.release()))

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Leave the channels."""
        for name in channels:
            self._hub.unsubscribe(self._connection, name)

    def cursors(self) -> dict[str, str]:
        """How far each live channel has come."""
        cursors = {}
        for name in CHANNELS:
            subscription = self._subscription(name)
            if subscription is not None and subscription.held is None:
                cursors[name] = self._place(name, subscription)[1]
        return cursors

    def forget_snapshots(self, seconds: float) -> bool:
        """Forget the snapshots of which no event can come any more; returns whether any are left.

        One that has not been sent yet, with what came while it was read, is not meant.

        Args:
            seconds: see `Snapshot.over`.
        """
        left = False
        for name in CHANNELS:
            if (subscription := self._subscription(name)) is None or subscription.held is not None:
                continue
            seen = subscription.seen
            if seen is None or seen.over(seconds, behind=self._events.behind):
                subscription.seen = None
            else:
                left = True
        return left

    def _subscription(self, name: str) -> Subscription | None:
        return self._hub.subscription(self._connection, name)

    def _place(self, name: str, before: Subscription | None) -> tuple[int, str]:
        """How far a subscription has come; without one, the end of the log."""
        if before is None:
            return self._events.offset(name), self._events.cursor(name)
        return max(self._hub.place(name), (before.after, before.cursor))

    def _join(self, name: str, filters: protocol.Filters, since: str | None) -> _Join:
        """Enter the channel at the end of the log or, if it reaches so far, where `since` is."""
        before = self._subscription(name)
        missed = None if since is None else self._hub.histories.since(name, since, filters)
        after, cursor = self._place(name, before if missed is None else None)
        join = _Join(before, Subscription(CHANNELS[name], filters, after, cursor, self._writer))
        if since is not None:
            join.ack["resumed"] = missed is not None
            join.ack["replayed"] = 0
            if missed is not None:
                join.missed = missed
                # A client cut off in the middle of the replay asks again from where it began.
                join.ack["cursor"] = since
        self._hub.subscribe(self._connection, join.new)
        return join

    def _restore(self, join: _Join) -> None:
        before = join.before
        if before is None:
            self._hub.unsubscribe(self._connection, join.new.channel.name)
            return
        self._hub.subscribe(self._connection, before)
        for item in join.new.held or ():
            if isinstance(item, Gap):
                before.tell(item)
            else:
                before.offer(item, frame(item.text))
