"""Compares a snapshot of the portfolio with the one that is stored at its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.portfolio.frames import Frame, Place
from alphapulse_api.storage.portfolio.reading import Snapshot


class Comparison(NamedTuple):
    """Whether a stored frame says what is to be stored; of which frame that was found out."""

    key: int | None
    number: int | None
    same: bool


def says(snapshot: Snapshot) -> tuple[bytes, bytes]:
    """The text of what a frame holds of a snapshot: its positions and its performance."""
    return snapshot.holdings.json, dumps(snapshot.performance)


def same_snapshot(
    amounts: Sequence[Any],
    frame: Frame | None,
    base: Place,
    known: Row,
    compared: Comparison | None,
) -> bool | None:
    """Whether a snapshot is the one that is stored; None if the frame of that must be read.

    Args:
        amounts: the values of the snapshot.
        frame: its frame.
        base: the place that the frame was built upon.
        known: the amounts and the frame of the stored snapshot.
        compared: the result of an earlier comparison.
    """
    *stored, key, number = known
    # As text: every digit of an amount counts.
    if list(amounts) != stored:
        return False
    if frame is None or key is None:
        return frame is None and key is None
    if (key, number) == base[:2]:
        return frame.repeats
    if compared is not None and (key, number) == compared[:2]:
        return compared.same
    return None
