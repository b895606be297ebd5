"""The limit of the number of series, and the error for exceeding it."""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from typing import Final

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.points import Key

MAX_SERIES: Final = 1_000_000
MAX_SERIES_PER_KEY: Final = 200_000

OWNER: Final[ContextVar[str | None]] = ContextVar("series_owner", default=None)
"""The API key of the caller whose points are stored; None: the caller has none, and no bound."""


class TooManySeries(ValidationProblem):
    """Points would create more series than are allowed; none of these series is created.

    Args:
        keys: the series that do not exist.
        option: the option of the section `database` that limits their number.
        limit: its value.
        count: how many series exist already.
        whose: what follows "series" in the text, if not all are counted.

    Attributes:
        keys: as given.
    """

    def __init__(
        self, keys: Collection[Key], option: str, limit: int, count: int, whose: str = ""
    ) -> None:
        detail = (
            f"{len(keys)} new series would exceed database.{option}: {count} series {whose}exist, "
            f"and {limit} are allowed. Use labels of fewer values, or raise the limit."
        )
        super().__init__([{"pointer": "", "detail": detail}])
        self.keys = frozenset(keys)
