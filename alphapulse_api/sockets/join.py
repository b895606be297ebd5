"""Joining a channel: its past first, then its live events.

The order is: the ack, the past (a replay of the log, or a snapshot of the store), the events that
were held while the past was read, then live events. No event is missing or sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.log import Gap
from alphapulse_api.log.joint import cursors_in
from alphapulse_api.sockets.backlog import ignore
from alphapulse_api.sockets.filters import Filters
from alphapulse_api.sockets.frames import chunks, frame
from alphapulse_api.sockets.history import Stretch
from alphapulse_api.sockets.options import CHANGES, POSITIONS, included
from alphapulse_api.sockets.requests import Selection, Subscribe
from alphapulse_api.sockets.services import Services
from alphapulse_api.sockets.subscription import (
    ChangesSubscription,
    JointSubscription,
    Subscription,
)
from alphapulse_api.sockets.writer import SocketWriter


class _Join:
    """One channel of a subscribe in progress.

    Attributes:
        before: the subscription that is replaced, if there is one.
        new: the new subscription, which holds events until the past is sent.
        missed: the events of the log after `since`: of the channel, and of each further type.
        ack: the channel's part of the acknowledgement.
        past: joined frames that follow the ack.
        released: to be called when the past no longer waits.
    """

    __slots__ = ("ack", "before", "missed", "new", "past", "released")

    def __init__(self, before: Subscription | None, new: Subscription) -> None:
        self.before = before
        self.new = new
        self.missed: Sequence[Stretch] | None = None
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
        positions = (cursors_in(*since).items() for since in request.since.items())
        await asyncio.gather(*(self._events.reach(*one) for some in positions for one in some))
        # No await between reading the log and joining the fan-out, so no event is lost in between.
        joins = [
            self._join(name, selection, request.since.get(name))
            for name, selection in request.channels.items()
        ]
        try:
            for join in joins:
                if join.missed is not None:
                    join.past = await self._framed(join, join.missed, caller)
                    join.released = self._readings.hold(caller, join.past)
                    first = join.missed[0].first
                    if isinstance(join.new, ChangesSubscription) and first is not None:
                        self._fanout.changes.resume(join.new, first)
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

    async def _framed(self, join: _Join, missed: Sequence[Stretch], caller: str) -> Sequence[bytes]:
        """Return the joined frames of what a client missed, and count its events in the ack."""
        histories = [await self._fanout.histories.framed(one, caller) for one in missed]
        join.ack["replayed"] = sum(history.events for history in histories)
        if len(histories) == 1:
            return histories[0].chunks  # shared by all sockets that missed the same
        return [chunk for history in histories for chunk in history.chunks]

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
        parts = [name, *(part.name for part in included(selection.options))]
        before = self._subscription(name)
        if isinstance(before, ChangesSubscription):
            self._fanout.changes.flush()  # so that the new one may be of the other kind
        if len(parts) > 1 or isinstance(before, JointSubscription):
            self._fanout.flush()  # the same
        cursors = {} if since is None else cursors_in(name, since)
        if len(parts) > 1:
            join = self._join_parts(name, selection.filters, parts, before, cursors)
        else:
            join = self._join_one(name, selection, before, cursors.get(name))
        if since is not None:
            join.ack["resumed"] = join.missed is not None
            join.ack["replayed"] = 0
        self._fanout.subscribe(join.new)
        return join

    def _join_one(
        self, name: str, selection: Selection, before: Subscription | None, since: str | None
    ) -> _Join:
        filters = selection.filters
        changes = selection.options.get(POSITIONS) == CHANGES
        missed = None
        if since is not None:
            missed = self._fanout.histories.since(name, since, filters, newest=changes)
        of_kind = None if missed is not None or isinstance(before, JointSubscription) else before
        after, cursor = self._position(name, of_kind)
        kind = ChangesSubscription if changes else Subscription
        join = _Join(before, kind(CHANNELS[name], filters, after, cursor, self._writer))
        if missed is not None:
            join.missed = [missed]
            # A client cut off during the replay must resume from where the replay began.
            join.ack["cursor"] = since
        return join

    def _join_parts(
        self,
        name: str,
        filters: Filters,
        parts: Sequence[str],
        before: Subscription | None,
        cursors: Mapping[str, str],
    ) -> _Join:
        """Join a channel with further types; all that the log has is dispatched.

        Args:
            name: of the channel.
            filters: of the subscription.
            parts: the channel, and the names of the further types.
            before: the subscription that is replaced.
            cursors: by part, where to resume from; empty if nothing is to be resumed.
        """
        joint, histories = self._fanout.joint, self._fanout.histories
        after, cursor = joint.position
        new = JointSubscription(CHANNELS[name], filters, after, cursor, self._writer, parts)
        join = _Join(before, new)
        since = {part: cursors[part] for part in parts if part in cursors}
        if len(since) == len(parts):
            missed = [
                histories.since(part, since[part], filters, around=joint.around(part, since))
                for part in parts
            ]
            found = [stretch for stretch in missed if stretch is not None]
            if len(found) == len(parts):
                join.missed = found
                begin, end = joint.around(name, since)
                join.ack["cursor"] = f"{begin}{since[name]}{end}"
        return join

    def _restore(self, join: _Join) -> None:
        before = join.before
        if before is None:
            self._fanout.unsubscribe(self._writer, (join.new.channel.name,))
            return
        self._fanout.changes.flush()  # so that events of either kind are held up to the same one
        self._fanout.subscribe(before)
        if isinstance(before, JointSubscription) != isinstance(join.new, JointSubscription):
            self._restore_other(before, join.new)
            return
        changes = isinstance(before, ChangesSubscription | JointSubscription)
        for item in join.new.held or ():
            if isinstance(item, Gap):
                before.offer_gap(item)
            else:
                event = item if changes else item.whole
                before.offer(event, frame(event.text))

    def _restore_other(self, before: Subscription, new: Subscription) -> None:
        """Restore a subscription with other types of events than its replacement."""
        if isinstance(before, JointSubscription):
            # What the replacement did not hold may be missing.
            self._fanout.flush()
            before.offer_gap(self._fanout.joint.gap())
            return
        for item in new.held or ():
            if item.channel is not before.channel:
                continue
            if isinstance(item, Gap):
                before.offer_gap(Gap(item.channel, *self._fanout.position(before)))
            else:
                before.offer(item.whole, frame(item.whole.text))
