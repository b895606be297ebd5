"""What people can tell the demo to do: it obeys as the agent `host`."""

import asyncio
from typing import Final

from alphapulse_api.dashboard import Dashboard
from alphapulse_api.domain.commands import BASIC, HALT, HOST

__all__ = ["COMMANDS", "Controls"]

# What each command does to trading, and the state of the agent after it.
COMMANDS: Final = {
    "pause": ("Pause trading", False, "inactive"),
    "resume": ("Resume trading", True, "active"),
    HALT: ("Halt", False, "stopped"),
}


class Controls:
    """Takes the commands to the agent `host`.

    Attributes:
        trading: set while the replay goes on.
    """

    __slots__ = ("_dashboard", "trading")

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self.trading = asyncio.Event()
        self.trading.set()

    def __repr__(self) -> str:
        return f"<Controls trading={self.trading.is_set()}>"

    async def obey(self) -> None:
        """Declare the commands and obey them until the dashboard is closed."""
        feed = self._dashboard.feed
        declared = [
            {"name": name, "level": BASIC, "title": title, "timeout": 5}
            for name, (title, _, _) in COMMANDS.items()
        ]
        agent = {"agent_type": "demo", "state": "active", "commands": declared}
        await feed.update_agent(HOST, agent)
        async for command in self._dashboard.commands(HOST):
            _, trading, state = COMMANDS[command.name]
            (self.trading.set if trading else self.trading.clear)()
            await feed.update_agent(HOST, {"state": state})
            await command.done({"state": state})
