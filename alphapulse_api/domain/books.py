"""Books: accounts, strategies or runs that have money of their own. A record is kept in one."""

from __future__ import annotations

from typing import Final

MAIN: Final = "main"
"""The book of a record that names none."""

NO_BOOK: Final = ""
"""What the store keeps for an alert that belongs to no book: columns of a key hold no nulls."""
