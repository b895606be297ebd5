"""How long a read waits until a projection contains everything that was stored before."""

from __future__ import annotations

import time
from typing import Final

from alphapulse_api.domain.errors import Unavailable

SECONDS: Final = 10.0


class Deadline:
    """A bound for the work of one read.

    Args:
        what: is computed, for the error.
    """

    __slots__ = ("_end", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._end = time.monotonic() + SECONDS

    def check(self) -> None:
        """Go on with the work.

        Raises:
            Unavailable: if it has taken too long. What was done stays, and a server goes on.
        """
        if time.monotonic() >= self._end:
            raise Unavailable(
                f"So much was just stored that {self._what} is still being computed. Ask again."
            )
