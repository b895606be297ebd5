"""Alerts: listed, raised, acknowledged, resolved."""

from __future__ import annotations

from typing import Any, Final

from alphapulse_api.domain.errors import FORBIDDEN, Problem
from alphapulse_api.domain.names import name_key
from alphapulse_api.http.route import Call
from alphapulse_api.schemas.alerts import AcknowledgeRequest, Nothing
from alphapulse_api.schemas.loading import load

# The roles that may acknowledge in another's name, for example for a person without an account.
MAY_NAME_ANOTHER: Final = frozenset({"admin"})
_ACKNOWLEDGEMENT = AcknowledgeRequest()
_NOTHING = Nothing()


async def list_alerts(call: Call) -> Any:
    """Alerts, newest first."""
    return await call.view.alerts.get_alerts(**call.query)


async def export_alerts(call: Call) -> Any:
    """Every alert that matches, newest first, as a file."""
    return await list_alerts(call)


async def get_alert(call: Call) -> Any:
    """One alert."""
    return await call.view.alerts.get_alert(call.path["id"])


async def raise_alert(call: Call) -> Any:
    """Raise an alert."""
    return await call.view.feed.raise_alert(call.body)


async def acknowledge_alert(call: Call) -> Any:
    """Acknowledge an alert; a second time changes nothing."""
    fields = load(_ACKNOWLEDGEMENT, call.body)
    caller = call.caller.username
    user = fields.get("user") or caller
    if name_key(user) == name_key(caller):
        user = caller  # in the spelling of the account
    elif call.caller.role not in MAY_NAME_ANOTHER:
        raise Problem(FORBIDDEN, "Only an admin may acknowledge in another's name. Leave user out.")
    return await call.view.feed.acknowledge_alert(
        call.path["id"], user, fields.get("comments"), actor=call.actor
    )


async def resolve_alert(call: Call) -> Any:
    """Resolve an alert; a second time changes nothing."""
    load(_NOTHING, call.body)
    return await call.view.feed.resolve_alert(call.path["id"], actor=call.actor)


async def raise_batch(call: Call) -> Any:
    """Raise up to 10000 alerts, and report the result of each."""
    return await call.view.feed.raise_alerts_batch(call.body, **call.query)
