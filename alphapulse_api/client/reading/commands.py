"""Commands to agents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Requests, comma
from alphapulse_api.client.rows import Command, CommandState, Sort


class CommandsReading(Requests):
    """Every GET about commands to agents as a method."""

    def sent_commands(
        self,
        *,
        agent_id: str | None = None,
        name: str | None = None,
        state: CommandState | Sequence[CommandState] | None = None,
        halt_id: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        sort: Sort | None = None,
        limit: int | None = None,
    ) -> Rows[Command]:
        """Return commands, newest first unless `sort` is "asc"; `limit` is the total number."""
        params = {
            "agent_id": agent_id,
            "name": name,
            "state": comma(state),
            "halt_id": halt_id,
            "start_time": start_time,
            "end_time": end_time,
            "sort": sort,
        }
        return self._pages("/api/commands", values.COMMAND, params, limit)

    async def command(self, command_id: str, *, wait: float | None = None) -> Command:
        """Return one command; `wait`: once its state changes, or after so many seconds."""
        path = f"/api/commands/{segment(command_id)}"
        command: Command = await self._get(path, values.COMMAND, {"wait": wait})
        return command
