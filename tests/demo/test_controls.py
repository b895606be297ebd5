"""The demo obeys: it pauses, resumes and halts when an operator says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alphapulse_api.demo.controls import COMMANDS, Controls
from tests.asking import ask
from tests.conftest import Server
from tests.waiting import until


@pytest.mark.parametrize(("name", "state"), [("pause", "inactive"), ("halt", "stopped")])
async def test_trading_stops_and_goes_on(server: Server, name: str, state: str) -> None:
    controls = Controls(server.dashboard)
    obeying = asyncio.create_task(controls.obey())
    operator = await server.login("operator")

    async def declared() -> bool:
        return (await ask(server, "GET", "/api/agents/host", operator)).status == 200

    await until(declared)
    for told, expected, trading in ((name, state, False), ("resume", "active", True)):
        path, body = "/api/agents/host/commands", {"name": told}
        sent: Any = (await ask(server, "POST", path, operator, json=body)).json
        while sent["state"] != "done":
            place = f"/api/commands/{sent['id']}?wait=10"
            sent = (await ask(server, "GET", place, operator)).json
        assert sent["result"] == {"state": expected}
        assert controls.trading.is_set() is trading
        agent = (await ask(server, "GET", "/api/agents/host", operator)).json
        assert agent["state"] == expected
        assert [one["name"] for one in agent["commands"]] == list(COMMANDS)
    obeying.cancel()
