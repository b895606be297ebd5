"""Joining a channel: its past first, then its live events.

The order is: the ack, the past (a replay of the log, or a snapshot of the store), the events that
were held while the past was read, then live events. No event is missing or sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import Gap
from alphapulse_api.sockets.backlog import ignore
from alphapulse_api.sockets.frames import chunks, frame
from alphapulse_api.sockets.history import Stretch
from alphapulse_api.sockets.options import CHANGES, POSITIONS
from alphapulse_api.sockets.requests import Selection, Subscribe
from alphapulse_api.sockets.services import Services
from alphapulse_api.sockets.subscription import ChangesSubscription, Subscription
from alphapulse_api.sockets.writer import SocketWriter


class _Join:
    """One channel of a subscribe in progress.

    Attributes:
        before: the subscription that is replaced, if there is one.
        new: the new subscription, which holds events until the past is sent.
        missed: the events of the log after `since`.
        ack: the channel's part of the acknowledgement.
        past: joined frames that follow the ack.
        released: to be called when the past no longer waits.
    """

    __slots__ = ("ack", "before", "missed", "new", "past", "released")

    def __init__(self, before: Subscription | None, new: Subscription) -> None:
        self.before = before
        self.new = new
        self.missed: Stretch | None = None
        self.ack: dict[str, Any] = {"cursor": new.cursor}
        self.past: Sequence[bytes] = ()
        self.released: Callable[[], None] = ignore


class Subscriber:
    """One connection's subscriptions in the fan-out.

    Args:
        writer: the socket's.
        services: shared with the other connections.
    """

    __slots__ = ("_events", "_fanout", "_readings", "_snapshots", "_writer")

    def __init__(self, writer: SocketWriter, services: Services) -> None:
        self._writer = writer
        self._fanout = services.fanout
        self._events = services.events
        self._snapshots = services.snapshots
        self._readings = services.readings

    async def subscribe(
        self,
        request: Subscribe,
        caller: str,
        acknowledge: Callable[[dict[str, Any]], None],
    ) -> None:
        """Subscribe to all channels or, if their past cannot be read, to none.

        Args:
            request: what the client asked for.
            caller: whose budget the reading counts against.
            acknowledge: sends the ack, given its part for each channel.

        Raises:
            RateLimited: if the caller's budget is used up.
        """
        if request.since or request.snapshot:
            # A client that keeps asking and never reads would otherwise fill the memory.
            await self._writer.caught_up()
        # A cursor may come from a process that is some events ahead of this one.
        await asyncio.gather(*(self._events.reach(*since) for since in request.since.items()))
        # No await between reading the log and joining the fan-out, so no event is lost in between.
        joins = [
            self._join(name, selection, request.since.get(name))
            for name, selection in request.channels.items()
        ]
        try:
            for join in joins:
                if join.missed is not None:
                    history = await self._fanout.histories.framed(join.missed, caller)
                    join.ack["replayed"] = history.events
                    join.past = history.chunks
                    join.released = self._readings.hold(caller, join.past)
                    if isinstance(join.new, ChangesSubscription) and join.missed.first is not None:
                        self._fanout.changes.resume(join.new, join.missed.first)
                elif request.snapshot:
                    join.new.seen = snapshot = await self._snapshots.of(join.new, caller)
                    if isinstance(join.new, ChangesSubscription):
                        self._fanout.changes.take_over(join.new, snapshot.portfolios)
                    join.past = snapshot.chunks
                    join.released = self._readings.hold(caller, join.past)
        except BaseException:
            for join in joins:
                join.released()
                self._restore(join)
            raise
        self._writer.seal()
        acknowledge({join.new.channel.name: join.ack for join in joins})
        for join in joins:
            self._writer.replay(join.past, join.released)
            # Held events count as past too: they do not show that the client is slow.
            self._writer.replay(chunks(event.text for event in join.new.release()))

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """End the subscriptions to the channels."""
        self._fanout.unsubscribe(self._writer, channels)

    def cursors(self) -> dict[str, str]:
        """Return the cursors of the channels that are live."""
        cursors = {}
        for name in CHANNELS:
            subscription = self._subscription(name)
            if subscription is not None and subscription.held is None:
                cursors[name] = self._position(name, subscription)[1]
        return cursors

    def forget_snapshots(self, at: float, seconds: float) -> bool:
        """Forget the snapshots whose events have all passed; return whether any are left.

        A snapshot that has not been sent yet is skipped.

        Args:
            at: monotonic time in seconds.
            seconds: see `Snapshot.expired`.
        """
        left = False
        for name in CHANNELS:
            if (subscription := self._subscription(name)) is None or subscription.held is not None:
                continue
            seen = subscription.seen
            if seen is None or seen.expired(at, seconds, behind=self._events.behind):
                subscription.seen = None
            else:
                left = True
        return left

    def _subscription(self, name: str) -> Subscription | None:
        return self._fanout.subscription(self._writer, name)

    def _position(self, name: str, before: Subscription | None) -> tuple[int, str]:
        """Return the offset and cursor of a subscription, or the end of the log without one."""
        if before is None:
            return self._events.offset(name), self._events.cursor(name)
        return max(self._fanout.position(before), (before.after, before.cursor))

    def _join(self, name: str, selection: Selection, since: str | None) -> _Join:
        """Subscribe from `since` if the log reaches that far back, otherwise from its end."""
        filters = selection.filters
        changes = selection.options.get(POSITIONS) == CHANGES
        before = self._subscription(name)
        if isinstance(before, ChangesSubscription):
            self._fanout.changes.flush()  # so that the new one may be of the other kind
        missed = None
        if since is not None:
            missed = self._fanout.histories.since(name, since, filters, newest=changes)
        after, cursor = self._position(name, before if missed is None else None)
        kind = ChangesSubscription if changes else Subscription
        join = _Join(before, kind(CHANNELS[name], filters, after, cursor, self._writer))
        if since is not None:
            join.ack["resumed"] = missed is not None
            join.ack["replayed"] = 0
            if missed is not None:
                join.missed = missed
                # A client cut off during the replay must resume from where the replay began.
                join.ack["cursor"] = since
        self._fanout.subscribe(join.new)
        return join

    def _restore(self, join: _Join) -> None:
        before = join.before
        if before is None:
            self._fanout.unsubscribe(self._writer, (join.new.channel.name,))
            return
        self._fanout.changes.flush()  # so that events of either kind are held up to the same one
        self._fanout.subscribe(before)
        changes = isinstance(before, ChangesSubscription)
        for item in join.new.held or ():
            if isinstance(item, Gap):
                before.offer_gap(item)
            else:
                event = item if changes else item.whole
                before.offer(event, frame(event.text))
