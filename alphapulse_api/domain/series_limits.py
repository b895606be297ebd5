"""The limit of the number of series, and the error for exceeding it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.points import Key

MAX_SERIES: Final = 1_000_000


class TooManySeries(ValidationProblem):
    """Points would create more series than are allowed; none of these series is created.

    Args:
        keys: the series that do not exist.
        option: the option of the section `database` that limits their number.
        limit: its value.
        count: how many series exist already.

    Attributes:
        keys: as given.
    """

    def __init__(self, keys: Collection[Key], option: str, limit: int, count: int) -> None:
        detail = (
            f"{len(keys)} new series would exceed database.{option}: {count} series exist, and "
            f"{limit} are allowed. Use labels of fewer values, or raise the limit."
        )
        super().__init__([{"pointer": "", "detail": detail}])
        self.keys = frozenset(keys)
