"""Cursors that join the positions of a channel and of the further types of its events."""

from __future__ import annotations

from typing import Final

from alphapulse_api.domain.channels import CHANNELS, LOGGED, parts_of
from alphapulse_api.log.base import EventLog

SEPARATOR: Final = "~"


def stream_cursor(events: EventLog, name: str) -> str:
    """The newest position of a channel or, for a further type, of its channel and all types.

    Args:
        events: the log.
        name: in `LOGGED`.
    """
    if name in CHANNELS:
        return events.cursor(name)
    return SEPARATOR.join(events.cursor(part) for part in parts_of(LOGGED[name].public))


def cursors_in(channel: str, cursor: str) -> dict[str, str]:
    """The positions in a cursor, which may have fewer parts than the channel has types."""
    return dict(zip(parts_of(channel), cursor.split(SEPARATOR), strict=False))
