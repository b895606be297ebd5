"""The triggers of tables that are only appended to, for SQLite."""

from __future__ import annotations

from alphapulse_api.storage.append_only import AppendOnly


def guards(kept: AppendOnly) -> tuple[str, ...]:
    """The statements that create them."""
    table, age, fixed = kept
    expired = f"(SELECT OLD.{age} < before FROM {kept.expiry})"
    refuse = f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END"
    return (
        f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE OF {', '.join(fixed)} ON {table} {refuse}",
        f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} "
        f"WHEN NOT coalesce({expired}, FALSE) {refuse}",
    )
