"""Tables whose rows are never changed, and are deleted only by retention.

Triggers refuse everything else, whoever writes to the database. They guard against mistakes: the
owner of a database can drop them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class AppendOnly(NamedTuple):
    """A table whose rows are kept as they are.

    Attributes:
        table: its name. The one row of `table_expiry` has the instant `before`: older rows may be
            deleted.
        age: the column with the time of a row.
        fixed: the columns that never change.
    """

    table: str
    age: str
    fixed: tuple[str, ...]

    @property
    def expiry(self) -> str:
        """The table with the instant before which rows may be deleted."""
        return f"{self.table}_expiry"


AUDIT: Final = AppendOnly(
    "audit",
    "at",
    (
        "id", "at", "actor", "role", "auth", "key_id", "address", "request_id", "action",
        "target_kind", "target_id", "book", "before", "after",
    ),
)  # fmt: skip
APPEND_ONLY: Final[Mapping[int, tuple[AppendOnly, ...]]] = {32: (AUDIT,)}
"""By the version of the schema that creates them."""
