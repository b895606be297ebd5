"""Commands to agents."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import CONTROL
from alphapulse_api.http.handlers import commands
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.commands import (
    Command,
    CommandQuery,
    CommandRequest,
    CommandsExport,
    CommandsQuery,
    HaltRequest,
)

# fmt: off
ROWS: Final = (
    # Not cached: a command expires by itself.
    Row("GET", "/api/commands", "view_agents", commands.list_commands, query=CommandsQuery,
        answer=Command, many=True, for_all_books=True, tag="commands", operation="listCommands"),
    Row("GET", "/api/commands/export", "view_agents", commands.export_commands,
        query=CommandsExport, answer=Command, many=True, export=True, for_all_books=True,
        tag="commands", operation="exportCommands"),
    Row("GET", "/api/commands/{id}", "view_agents", commands.get_command, query=CommandQuery,
        answer=Command, for_all_books=True, tag="commands", operation="getCommand",
        failures=(404,)),
    Row("POST", "/api/commands/halt", CONTROL, commands.halt, body=HaltRequest,
        body_may_be_absent=True, answer=Command, many=True, status=202, for_all_books=True,
        tag="commands", operation="haltAgents", failures=(409,)),
    Row("POST", "/api/agents/{id}/commands", CONTROL, commands.send_command, body=CommandRequest,
        body_exact=False, answer=Command, status=202, repeats=True, for_all_books=True,
        tag="agents", operation="createCommand", failures=(404, 409)),
)
# fmt: on
