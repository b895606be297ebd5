"""The records that stores take and return."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
Written = tuple[Record, bool]  # a record as stored, and whether this call stored or changed it
NONE_SET: frozenset[str] = frozenset()
