"""Saves the position of the replay in a file beside the database, where a restart continues."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from alphapulse_api.demo.prices import PriceDay
from alphapulse_api.demo.simulation import Simulation

__all__ = ["EVERY", "Checkpoint"]

EVERY: Final = 50  # trading days
_FORMAT: Final = 2  # increases when the pickled state changes

Published = dict[int, datetime]


class Checkpoint:
    """The state of a simulation after a stored day, and the publishing times of its days.

    Args:
        path: the file. It is a pickle, so it must be as private as the database beside it.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<Checkpoint {self._path}>"

    def load(self, prices: Sequence[PriceDay]) -> tuple[Simulation, Published] | None:
        """The saved state; None if there is none of this format."""
        try:
            saved = pickle.loads(self._path.read_bytes())  # noqa: S301
        except (FileNotFoundError, EOFError, pickle.UnpicklingError):
            return None
        if saved[0] != _FORMAT:
            return None
        _, state, published = saved
        return Simulation(prices, state), published

    def save(self, simulation: Simulation, published: Published) -> None:
        """Replace the file atomically."""
        new = self._path.with_name(self._path.name + ".new")
        new.touch(mode=0o600)
        new.write_bytes(pickle.dumps((_FORMAT, simulation.state, published)))
        os.replace(new, self._path)
