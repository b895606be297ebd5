"""Sends the same events to many sockets: the fan-out's inner loop."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from alphapulse_api.log.base import Event
from alphapulse_api.sockets.writer import SocketWriter


def broadcast(
    writers: Iterable[SocketWriter], events: Sequence[Event], framed: bytes
) -> list[tuple[SocketWriter, Exception]]:
    """Send live events of one channel to many sockets.

    Args:
        writers: of the sockets.
        events: of one channel, in order.
        framed: their frames joined, shared by all.

    Returns:
        The writers that failed to take the events, each with the reason.
    """
    faults = []
    write, size = os.write, len(framed)
    for writer in writers:
        try:
            # The common case is inlined and reads few objects: with many sockets, each further
            # object is a cache miss.
            direct, transport = writer.direct, writer.transport
            if direct is None or transport.is_closing() or transport.get_write_buffer_size():
                writer.write_events(events, framed)
                continue
            try:
                sent = write(direct, framed)
            except OSError:
                # The kernel's buffer is full or the peer is gone: the next write shows which.
                sent = 0
            if not sent:
                writer.write_events(events, framed)
            elif sent != size:
                writer.write(framed[sent:])
        except Exception as error:
            faults.append((writer, error))
    return faults
