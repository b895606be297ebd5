"""Compares a snapshot of the portfolio with the one that is stored at its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.storage.engine.base import Row
from alphapulse_api.storage.portfolio.frames import Frame, Place
from alphapulse_api.storage.portfolio.reading import Snapshot


class Comparison(NamedTuple):
    """Whether a stored frame has the content that is to be stored, and which frame it was."""

    key: int | None
    number: int | None
    same: bool


def says(snapshot: Snapshot) -> tuple[bytes, bytes]:
    """The parts of a snapshot that a frame holds, as text: positions and performance."""
    return snapshot.holdings.json, dumps(snapshot.performance)


def same_snapshot(
    amounts: Sequence[Any],
    frame: Frame | None,
    base: Place,
    known: Row,
    compared: Comparison | None,
) -> bool | None:
    """Whether a snapshot equals the stored one; None if the stored one's frame must be read first.

    Args:
        amounts: the values of the snapshot.
        frame: its frame.
        base: the place on which the frame was built.
        known: the amounts and the frame of the stored snapshot.
        compared: the result of an earlier comparison.
    """
    *stored, key, number = known
    # Compared as text, because every digit of an amount counts.
    if list(amounts) != stored:
        return False
    if frame is None or key is None:
        return frame is None and key is None
    if (key, number) == base[:2]:
        return frame.repeats
    if compared is not None and (key, number) == compared[:2]:
        return compared.same
    return None
