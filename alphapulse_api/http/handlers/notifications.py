"""The log of notifications."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def list_notifications(call: Call) -> Any:
    """What people were told of alerts, and what they will be told, newest first.

    There is one for each receiver and each change of an alert. Those that one message tells have
    its `message_id`.
    """
    return await call.view.notifications.get_notifications(**call.query)


async def export_notifications(call: Call) -> Any:
    """Every notification that matches, newest first, as a file."""
    return await list_notifications(call)
