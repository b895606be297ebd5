"""What one client has asked for, acted on one request after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from alphapulse_api.sockets import protocol

MAX_WAITING: Final = 20  # messages of one client


class Inbox:
    """Holds what comes while a subscribe or an authentication is under way.

    Args:
        decide: what to do about a text frame, when its turn has come.
        act: does what takes no time.
        carry_out: does the rest; it raises nothing.
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
        """Act on a text frame, when those before it have been acted on."""
        if self._working is not None:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(text)
            else:
                wait = f"At most {MAX_WAITING} messages may wait for an answer."
                self._act(protocol.error(protocol.id_of(text), "rate_limited", wait))
            return
        for action in self._decide(text):
            if isinstance(action, protocol.Slow):
                self._working = asyncio.create_task(self._work(action))
            else:
                self._act(action)

    def drop(self) -> asyncio.Task[None] | None:
        """Act on nothing more; returns what is still under way, unless that is who asks."""
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
