"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

BASE_SECONDS: Final = 0.5
CAP_SECONDS: Final = 20.0
_MAX_DOUBLINGS: Final = 30


class Backoff:
    """Full jitter: a random time between 0 and a bound that doubles, up to a cap.

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Args:
        base: the first bound, in seconds.
        cap: the highest bound, in seconds.
        rand: returns a uniform random number between 0 and 1.
    """

    __slots__ = ("_base", "_cap", "_doublings", "_rand")

    def __init__(
        self,
        base: float = BASE_SECONDS,
        cap: float = CAP_SECONDS,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._base = base
        self._cap = cap
        self._rand = rand
        self._doublings = 0

    def next(self) -> float:
        """Return the seconds to wait after another failure."""
        bound = min(self._cap, self._base * 2.0**self._doublings)
        self._doublings = min(self._doublings + 1, _MAX_DOUBLINGS)
        return self._rand() * bound

    def reset(self) -> None:
        """Start again from the first bound, after a success."""
        self._doublings = 0
