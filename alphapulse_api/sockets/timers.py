"""The named timers of one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timers:
    """At most one pending call per name."""

    __slots__ = ("_handles",)

    def __init__(self) -> None:
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def __repr__(self) -> str:
        return f"<Timers {' '.join(self._handles)}>"

    def start(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after `seconds`; this replaces a pending call of the same name."""
        self.cancel(name)
        self._handles[name] = asyncio.get_running_loop().call_later(seconds, act)

    def cancel(self, *names: str) -> None:
        """Cancel the calls of these names that are pending."""
        for name in names:
            if handle := self._handles.pop(name, None):
                handle.cancel()

    def cancel_all(self) -> None:
        """Cancel every call that is pending."""
        self.cancel(*tuple(self._handles))
