"""Counts what became of the records that a host passed to its feed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from alphapulse_api.domain.times import now

KEPT_REFUSALS: Final = 20  # the last ones, with their reasons


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """Why a record was not stored.

    Attributes:
        at: when the refusal became known.
        method: the feed's method that took the record.
        reason: one sentence.
    """

    at: datetime
    method: str
    reason: str


@dataclass(frozen=True, slots=True)
class FeedStats:
    """Counts of records since the start; `taken == stored + refused + depth`.

    Attributes:
        taken: records that the feed has accepted.
        stored: records that are committed.
        refused: accepted records that were not stored, since they are not valid, conflict with a
            stored record, or could not be stored before the end.
        dropped: records that the feed did not accept, since too many waited.
        depth: accepted records that are neither stored nor refused yet.
        last_refusals: the newest 20 refusals, oldest first; one for all records of a call that
            failed as a whole.
        restarts: how often the dashboard's process was started again; 0 without such a process.
        state: "running"; or "starting" while the dashboard's process is started again; "closed".
    """

    taken: int
    stored: int
    refused: int
    dropped: int
    depth: int
    last_refusals: tuple[RefusedRecord, ...]
    restarts: int = 0
    state: str = "running"


class FeedCounters:
    """The counts behind `FeedStats`, for any thread.

    `lock` guards them. Code that holds it, such as a hand-over, changes the counts directly: a
    second lock would cost as much again.
    """

    __slots__ = ("dropped", "last_refusals", "lock", "refused", "stored", "taken")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken = 0
        self.stored = 0
        self.refused = 0
        self.dropped = 0
        self.last_refusals: deque[RefusedRecord] = deque(maxlen=KEPT_REFUSALS)

    @property
    def depth(self) -> int:
        """Records taken, and neither stored nor refused yet."""
        return self.taken - self.stored - self.refused

    def take(self, count: int) -> None:
        """Count records that the feed has accepted."""
        with self.lock:
            self.taken += count

    def settle(self, method: str, count: int, reasons: Sequence[str] = ()) -> None:
        """Count records that were taken as stored or refused.

        Args:
            method: the feed's method that took them.
            count: their number.
            reasons: one for each record that was refused; the others are stored.
        """
        with self.lock:
            if reasons:
                at = now()
                kept = reasons[-KEPT_REFUSALS:]
                self.last_refusals.extend(RefusedRecord(at, method, reason) for reason in kept)
            self.refused += len(reasons)
            self.stored += count - len(reasons)

    def refuse(self, method: str, count: int, reason: str) -> None:
        """Count records that were taken and are all refused for one reason."""
        with self.lock:
            self.refused += count
            self.last_refusals.append(RefusedRecord(now(), method, reason))

    def stats(self, *, restarts: int = 0, state: str = "running") -> FeedStats:
        """The present counts."""
        with self.lock:
            return FeedStats(
                taken=self.taken,
                stored=self.stored,
                refused=self.refused,
                dropped=self.dropped,
                depth=self.depth,
                last_refusals=tuple(self.last_refusals),
                restarts=restarts,
                state=state,
            )
