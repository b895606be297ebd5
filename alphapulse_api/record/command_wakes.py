"""Wakes those who wait for commands or for answers to them, in every process.

The event of a command only wakes: whoever is woken asks the store. A process that does not read
the event log, because it serves nobody, asks the store twice a second instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from alphapulse_api.domain.commands import PENDING
from alphapulse_api.log import EventLog
from alphapulse_api.log.base import Event

LOOK_SECONDS: Final = 0.5  # between two looks of a process without events
CHANNEL: Final = "commands"
ANY: Final = ""  # the key of those who wait for any command


def of_agent(agent_id: str) -> str:
    """The key of those who wait for commands to an agent."""
    return f"agent:{agent_id}"


def of_command(command_id: str) -> str:
    """The key of those who wait for a change of a command."""
    return f"command:{command_id}"


class Wake:
    """Is set when there is something to look for.

    Args:
        longest: seconds after which to look anyway; None: never.
    """

    __slots__ = ("_longest", "event")

    def __init__(self, longest: float | None) -> None:
        self.event = asyncio.Event()
        self._longest = longest

    def __repr__(self) -> str:
        return f"<Wake {'set' if self.event.is_set() else 'waiting'}>"

    async def wait(self, seconds: float | None) -> bool:
        """Wait until it is set, at most so long, and reset it; return whether it was set."""
        bounds = [bound for bound in (seconds, self._longest) if bound is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(min(bounds, default=None)):
                await self.event.wait()
        was_set = self.event.is_set()
        self.event.clear()
        return was_set


class CommandWakes:
    """Who waits in this process, by agent or by command.

    Args:
        events: the log.
        reads: whether this process reads the log.
    """

    def __init__(self, events: EventLog, *, reads: bool) -> None:
        self._longest = None if reads else LOOK_SECONDS
        self._waiting: dict[str, set[Wake]] = {}
        events.follow(self._on_events, lambda _: self.wake_all())

    def __repr__(self) -> str:
        return f"<CommandWakes keys={len(self._waiting)}>"

    @contextmanager
    def listening(self, keys: Iterable[str]) -> Iterator[Wake]:
        """A wake for events of agents or commands; enter this before the first look."""
        wake = Wake(self._longest)
        keys = tuple(keys)
        for key in keys:
            self._waiting.setdefault(key, set()).add(wake)
        try:
            yield wake
        finally:
            for key in keys:
                self._waiting[key].discard(wake)
                if not self._waiting[key]:
                    del self._waiting[key]

    def wake_all(self) -> None:
        """Let all who wait look again."""
        for waiting in self._waiting.values():
            for wake in waiting:
                wake.event.set()

    def _on_events(self, events: Sequence[Event]) -> None:
        if not self._waiting or events[0].channel.name != CHANNEL:
            return
        for event in events:
            told = event.data
            keys = [of_command(told["id"]), ANY]
            if told["state"] == PENDING:
                keys.append(of_agent(told["agent_id"]))
            for key in keys:
                for wake in self._waiting.get(key, ()):
                    wake.event.set()
