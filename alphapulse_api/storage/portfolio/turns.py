"""The order of concurrent calls, some of which have to be done again."""

from __future__ import annotations

import asyncio


class Turn:
    """One of the calls that are to take effect in the order in which they began.

    Attributes:
        previous: the turn before it, until this one ends.
        done: whether its unit of work did what it had to.
        ended: set once the call returns or raises.
    """

    __slots__ = ("done", "ended", "previous")

    def __init__(self, previous: Turn | None) -> None:
        self.previous = previous
        self.done = False
        self.ended = asyncio.Event()

    @property
    def has_come(self) -> bool:
        """Whether the previous call has taken effect, or will not."""
        return self.previous is None or self.previous.done or self.previous.ended.is_set()

    async def wait(self) -> None:
        """Wait until the previous call has ended."""
        if self.previous is not None:
            await self.previous.ended.wait()

    def end(self) -> None:
        """Let the next call go on."""
        self.previous = None
        self.ended.set()
