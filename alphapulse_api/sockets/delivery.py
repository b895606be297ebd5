"""Sends events of one channel to the subscriptions that want them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alphapulse_api.log import Event, Gap
from alphapulse_api.sockets.broadcast import broadcast
from alphapulse_api.sockets.frames import frame
from alphapulse_api.sockets.subscription_index import SubscriptionIndex
from alphapulse_api.sockets.writer import SocketWriter

OnFault = Callable[[SocketWriter, Exception], None]


def deliver(index: SubscriptionIndex, events: Sequence[Event], on_fault: OnFault) -> int:
    """Send the next events of a channel, in one write per socket.

    Args:
        index: the channel's subscriptions.
        events: at least one.
        on_fault: called with the writer and the reason when an event could not be delivered.

    Returns:
        How many events were handed to writers.
    """
    delivered = 0
    by_book: dict[str | None, list[Event]] = {None: list(events)}
    if index.booked:
        for event in events:
            if (book := event.book) is not None:
                by_book.setdefault(book, []).append(event)
    for book, of_book in by_book.items():
        if book in index.live:
            delivered += _broadcast(tuple(index.live[book]), of_book, on_fault)
    for event in events:
        delivered += _offer(event, index, on_fault)
    index.promote(events[-1].offset, by_book)
    return delivered


def deliver_gap(index: SubscriptionIndex, gap: Gap) -> None:
    """Send a gap to every subscription, regardless of filters."""
    for subscription in tuple(index):
        subscription.offer_gap(gap)


def _broadcast(writers: Sequence[SocketWriter], events: Sequence[Event], on_fault: OnFault) -> int:
    """Send events to the sockets that want all of them, in one write per socket."""
    faults = broadcast(writers, events, b"".join(frame(event.text) for event in events))
    for writer, error in faults:
        on_fault(writer, error)
    return (len(writers) - len(faults)) * len(events)


def _offer(event: Event, index: SubscriptionIndex, on_fault: OnFault) -> int:
    """Send an event to the candidates that want it; frame it only if there are any."""
    framed, delivered = b"", 0
    book = event.book if index.booked else None
    for subscription in index.candidates(event.data, book):
        try:
            framed = framed or frame(event.text)
            delivered += subscription.offer(event, framed)
        except Exception as error:
            # For example a malformed record of a host's accessor: it must not end the fan-out.
            on_fault(subscription.writer, error)
    return delivered
