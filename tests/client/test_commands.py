"""Commands to agents by the client library: sent, halted, followed and exported."""

from __future__ import annotations

import pytest

from alphapulse_api.client import ApiError, DashboardClient, SyncDashboardClient
from tests.asking import OBEDIENT
from tests.conftest import PASSWORD, Server


async def test_a_command_is_sent_and_followed(server: Server) -> None:
    await server.feed.update_agent("m1", OBEDIENT)
    await server.login()
    async with DashboardClient(server.url, username="admin", password=PASSWORD) as client:
        sent = await client.send_command("m1", {"name": "pause", "reason": "news"})
        (halted,) = await client.halt_agents(reason="fire")
        assert sent["expires_at"] > sent["created_at"]
        assert (halted["name"], halted["state"]) == ("halt", "pending")
        await server.feed.take_command("m1")
        assert (await client.command(sent["id"], wait=0))["state"] == "delivered"
        assert await client.sent_commands(state=["delivered"], agent_id="m1") == [
            await client.command(sent["id"])
        ]
        exported = [one["id"] async for one in client.export_commands()]
        assert exported == [halted["id"], sent["id"]]
        with pytest.raises(ApiError, match="does not declare"):
            await client.send_command("m1", {"name": "dance"})


def test_the_synchronous_client_has_the_same_calls() -> None:
    for name in ("send_command", "halt_agents", "sent_commands", "command", "export_commands"):
        assert hasattr(SyncDashboardClient, name)
