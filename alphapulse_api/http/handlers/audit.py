"""The audit log."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def list_audit(call: Call) -> Any:
    """Who did what, newest first.

    Logins and failed ones, tokens that ended, changes of users, keys and books, and what people did
    about alerts. Entries never change, and go with `database.retention.audit`.
    """
    return await call.view.audit.get_audit(**call.query)


async def export_audit(call: Call) -> Any:
    """Every entry that matches, newest first, as a file."""
    return await list_audit(call)
