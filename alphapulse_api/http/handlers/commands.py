"""Commands to agents: sent, watched, and listed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from alphapulse_api.auth.permissions import CONTROL, CONTROL_FULL
from alphapulse_api.domain.commands import BASIC, FULL
from alphapulse_api.http.route import Call

_PERMISSIONS = {BASIC: CONTROL, FULL: CONTROL_FULL}


async def send_command(call: Call) -> Any:
    """Send a command that the agent declares.

    The level of the command decides who may: basic needs `control`, full needs `control_full`. The
    agent takes it at most once, and not after its ttl; its state shows what became of it.
    """
    return await call.view.feed.send_command(
        call.path["id"], call.body, actor=call.actor, levels=_levels(call)
    )


async def halt(call: Call) -> Any:
    """Send `halt` to every agent that declares it: to all of them, or to none."""
    return await call.view.feed.halt(call.body, actor=call.actor, levels=_levels(call))


async def list_commands(call: Call) -> Any:
    """Commands, newest first."""
    return await call.view.commands.get_commands(**call.query)


async def export_commands(call: Call) -> Any:
    """Every command that matches, newest first, as a file."""
    return await list_commands(call)


async def get_command(call: Call) -> Any:
    """One command; `wait` answers at its next change of state."""
    return await call.view.feed.wait_for_command(call.path["id"], call.query.get("wait", 0.0))


def _levels(call: Call) -> Collection[str]:
    return [level for level, one in _PERMISSIONS.items() if one in call.caller.permissions]
