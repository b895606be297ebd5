"""What one connection is subscribed to, and the join of a channel's past to its present.

The order is: the ack, the past (a replay of the log, or a snapshot of the store), what came while
the past was read, then live; with nothing missing and nothing twice in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from alphapulse_api.data.accessors import Accessors
from alphapulse_api.events import CHANNELS, Break, EventLog
from alphapulse_api.events.base import message
from alphapulse_api.websocket import protocol
from alphapulse_api.websocket.frames import chunks, frame
from alphapulse_api.websocket.hub import Hub
from alphapulse_api.websocket.outbound import Outbound
from alphapulse_api.websocket.snapshot import read_snapshot
from alphapulse_api.websocket.subscription import Subscription

if TYPE_CHECKING:
    from alphapulse_api.websocket.connection import Connection


class Subscriber:
    """One connection's subscriptions in the hub."""

    __slots__ = ("_accessors", "_connection", "_events", "_hub", "_outbound")

    def __init__(
        self,
        connection: Connection,
        outbound: Outbound,
        hub: Hub,
        events: EventLog,
        accessors: Accessors,
    ) -> None:
        self._connection = connection
        self._outbound = outbound
        self._hub = hub
        self._events = events
        self._accessors = accessors

    async def subscribe(
        self, action: protocol.Subscribe, acknowledge: Callable[[dict[str, Any]], None]
    ) -> None:
        """Subscribe to all the channels or, if a snapshot cannot be read, to none.

        Args:
            action: what the client asked for.
            acknowledge: sends the ack, given what it says of each channel.
        """
        if action.since or action.snapshot:
            # One stretch of the past at a time, or a client that asks and never reads would fill
            # the memory.
            await self._outbound.caught_up()
        # Their cursors may come from a process that is some events ahead of this one.
        await asyncio.gather(*(self._events.reach(*since) for since in action.since.items()))
        before = {name: self._subscription(name) for name in action.channels}
        new: dict[str, Subscription] = {}
        acks: dict[str, dict[str, Any]] = {}
        past: dict[str, Sequence[bytes]] = {}
        # Nothing is awaited between reading the log and joining the hub: no event falls between.
        for name, filters in action.channels.items():
            since = action.since.get(name)
            missed = None if since is None else self._hub.history(name, since, filters)
            after, cursor = self._place(name, before[name] if missed is None else None)
            new[name] = subscription = Subscription(
                CHANNELS[name], filters, after, cursor, self._outbound
            )
            acks[name] = {"cursor": cursor}
            if since is not None:
                acks[name]["resumed"] = missed is not None
                acks[name]["replayed"] = 0 if missed is None else missed.events
                if missed is not None:
                    past[name] = missed.chunks
                    # A client cut off in the middle of the replay asks again from where it began.
                    acks[name]["cursor"] = since
            self._hub.subscribe(self._connection, subscription)
        try:
            for name, subscription in new.items():
                if action.snapshot and not acks[name].get("resumed", False):
                    rows = await read_snapshot(self._accessors, subscription)
                    past[name] = chunks(
                        message(subscription.channel, subscription.cursor, row, snapshot=True)
                        for row in rows
                    )
                    subscription.snapshot(rows)
        except BaseException:
            self._restore(before, new)
            raise
        self._outbound.seal()
        acknowledge(acks)
        for name, subscription in new.items():
            self._outbound.replay(past.get(name, ()))
            # What came meanwhile is of the past, too: it is no sign of a slow client.
            self._outbound.replay(chunks(event.text for event in subscription.release()))

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

    def forget_snapshots(self) -> None:
        """No event that a snapshot told of can come any more."""
        for name in CHANNELS:
            if (subscription := self._subscription(name)) is not None:
                subscription.seen = None

    def _subscription(self, name: str) -> Subscription | None:
        return self._hub.subscription(self._connection, name)

    def _place(self, name: str, before: Subscription | None) -> tuple[int, str]:
        """How far a subscription has come; without one, the end of the log."""
        if before is None:
            return self._events.offset(name), self._events.cursor(name)
        return max(self._hub.place(name), (before.after, before.cursor))

    def _restore(
        self, before: dict[str, Subscription | None], new: dict[str, Subscription]
    ) -> None:
        for name, subscription in before.items():
            if subscription is None:
                self._hub.unsubscribe(self._connection, name)
                continue
            self._hub.subscribe(self._connection, subscription)
            for item in new[name].held or ():
                if isinstance(item, Break):
                    subscription.tell(item)
                else:
                    subscription.offer(item, frame(item.text))
