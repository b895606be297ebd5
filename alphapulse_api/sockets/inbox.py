"""One client's requests, carried out one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from alphapulse_api.sockets import protocol
from alphapulse_api.sockets.requests import id_of

MAX_WAITING: Final = 20  # messages of one client


class Inbox:
    """Queues text frames while a subscribe or an authentication is in progress.

    Args:
        decide: returns what to do about a text frame.
        act: carries out a quick action.
        carry_out: carries out a slow action; it must not raise.
    """

    __slots__ = ("_act", "_carry_out", "_decide", "_waiting", "_working")

    def __init__(
        self,
        decide: Callable[[str], Iterable[protocol.Action]],
        act: Callable[[protocol.Quick], None],
        carry_out: Callable[[protocol.Slow], Coroutine[Any, Any, None]],
    ) -> None:
        self._decide = decide
        self._act = act
        self._carry_out = carry_out
        self._waiting: deque[str] = deque()
        self._working: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Inbox waiting={len(self._waiting)} working={self._working is not None}>"

    def put(self, text: str) -> None:
        """Carry out a text frame after those before it."""
        if self._working is not None:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(text)
            else:
                wait = f"At most {MAX_WAITING} messages may wait for an answer."
                self._act(protocol.error(id_of(text), "rate_limited", wait))
            return
        for action in self._decide(text):
            if isinstance(action, protocol.Slow):
                self._working = asyncio.create_task(self._work(action))
            else:
                self._act(action)

    def drop(self) -> asyncio.Task[None] | None:
        """Drop all requests, and cancel and return the one in progress unless it is the caller."""
        self._waiting.clear()
        working = self._working
        if working is None or working is asyncio.current_task():
            return None
        working.cancel()
        return working

    async def _work(self, first: protocol.Slow) -> None:
        try:
            await self._carry_out(first)
            while self._waiting:
                for action in self._decide(self._waiting.popleft()):
                    if isinstance(action, protocol.Slow):
                        await self._carry_out(action)
                    else:
                        self._act(action)
        finally:
            self._working = None
