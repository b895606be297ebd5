"""What one client asked for: in its order, one slow request at a time, and dropped at the end."""

from __future__ import annotations

import asyncio

from alphapulse_api.sockets import protocol
from alphapulse_api.sockets.inbox import MAX_WAITING, Inbox
from alphapulse_api.sockets.requests import Authenticate
from tests.waiting import until


class Client:
    """Texts of one word; those that begin with "slow" wait until they are let go."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.begun: list[str] = []
        self.go = asyncio.Semaphore(0)
        self.inbox = Inbox(self.decide, self.act, self.carry_out)

    def decide(self, text: str) -> list[protocol.Action]:
        if text.startswith("slow"):
            return [Authenticate(text, token="x")]
        return [protocol.error(text, "internal", "")]

    def act(self, action: protocol.Quick) -> None:
        assert isinstance(action, protocol.Reply)
        self.done.append(action.message.get("id") or action.message["code"])

    async def carry_out(self, action: protocol.Slow) -> None:
        self.begun.append(str(action.id))
        await self.go.acquire()
        self.done.append(str(action.id))


async def test_quick_requests_are_acted_on_at_once() -> None:
    client = Client()
    for text in ("a", "b"):
        client.inbox.put(text)
    assert client.done == ["a", "b"]


async def test_requests_wait_for_a_slow_one_in_their_order() -> None:
    client = Client()
    for text in ("a", "slow1", "b", "slow2", "c"):
        client.inbox.put(text)
    await asyncio.sleep(0)
    assert (client.done, client.begun) == (["a"], ["slow1"])
    for _ in range(2):
        client.go.release()
    await until(lambda: len(client.done) >= 5)
    assert client.done == ["a", "slow1", "b", "slow2", "c"]
    client.inbox.put("d")
    assert client.done[-1] == "d"


async def test_so_many_wait_and_no_more() -> None:
    client = Client()
    client.inbox.put("slow")
    for n in range(MAX_WAITING + 3):
        client.inbox.put(f"n{n}")
    assert client.done == ["rate_limited"] * 3


async def test_what_waits_is_dropped_with_what_is_under_way() -> None:
    client = Client()
    for text in ("slow1", "slow2", "a"):
        client.inbox.put(text)
    await asyncio.sleep(0)
    working = client.inbox.drop()
    assert working is not None
    await asyncio.wait([working])
    assert working.cancelled()
    assert (client.begun, client.done) == (["slow1"], [])
    assert client.inbox.drop() is None
