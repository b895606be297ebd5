"""When the messages of a group are due, so that a storm of alerts becomes few messages.

No I/O and no clock: instants are microseconds since the epoch.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from alphapulse_api.notify.routing import Settings

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
MESSAGES: Final = 20  # of a receiver in a minute; beyond, one message has all groups
MOST_GROUPS: Final = 10_000  # that are remembered


class Windows:
    """The newest message of each group: planned, or sent a while ago.

    It is in memory only. What a process forgets by its end costs a message more, never one less.
    """

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], tuple[int, int]] = {}  # the message, and the next earliest

    def __repr__(self) -> str:
        return f"<Windows of {len(self._due)} groups>"

    def due(self, receiver: str, group: str, settings: Settings, now: int) -> int:
        """When the message is due that tells a receiver of one more alert of a group."""
        planned, following = self._due.get((receiver, group), (0, 0))
        if planned > now:
            return planned  # it waits anyway
        due = max(now + round(settings.group_wait * SECOND), following)
        if len(self._due) >= MOST_GROUPS:
            self._due = {key: times for key, times in self._due.items() if times[1] > now}
        if len(self._due) < MOST_GROUPS:
            next_one = due + round(settings.group_interval * SECOND)
            self._due[receiver, group] = due, next_one
        return due


class Pace:
    """How many messages a receiver got in the last minute."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent: deque[int] = deque()

    def __repr__(self) -> str:
        return f"<Pace of {len(self._sent)} messages>"

    def note(self, now: int) -> None:
        """Note that a message is sent."""
        self._sent.append(now)

    def wait(self, now: int) -> int:
        """How long the next message waits, in microseconds."""
        while self._sent and self._sent[0] <= now - MINUTE:
            self._sent.popleft()
        return self._sent[0] + MINUTE - now if len(self._sent) >= MESSAGES else 0

    def merges(self, now: int) -> bool:
        """Whether the next message has all groups of the receiver, because many were sent."""
        self.wait(now)
        return len(self._sent) >= MESSAGES - 1
