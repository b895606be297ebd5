"""Commands for a synchronous host: sent, taken and answered from any of its threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any, Final

from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.domain.handed import LATE, HandedCommand
from alphapulse_api.embed.calling import Calling, Stored
from alphapulse_api.embed.calls import TAKE
from alphapulse_api.record.inputs import Record

TAKE_SECONDS: Final = 2.0  # that one call waits, so that closing never waits for longer
_ANSWER_SECONDS: Final = 10.0  # beyond that, for the answer of a busy dashboard


HostCommand = HandedCommand[Stored]


class Commanding(Calling):
    """The methods of a host's feed for commands."""

    def commands(self, agent_id: str, timeout: float | None = None) -> Iterator[HostCommand]:
        """The commands of an agent as they are sent, each once.

        Args:
            agent_id: the agent; `host` stands for the process itself.
            timeout: seconds without a command after which the iterator ends; 0: it ends once none
                is pending; None: it ends when the dashboard is closed.

        Raises:
            Unavailable: while the database is away; call it again.

        Example:
            for command in feed.commands("momentum-1", timeout=0):  # in every turn of the host
                command.done()
        """
        ends = None if timeout is None else monotonic() + timeout
        while True:
            left = TAKE_SECONDS if ends is None else max(0.0, ends - monotonic())
            try:
                taken = self.take_command(agent_id, min(left, TAKE_SECONDS))
            except DashboardClosed:
                if timeout is None:
                    return
                raise
            if taken is not None:
                command = HandedCommand(taken, self.answer_command)
                # The process may have been stopped since the command was taken for it.
                if monotonic() < taken.pop("monotonic_end"):
                    yield command
                else:
                    command.refuse(LATE)
                ends = None if timeout is None else monotonic() + timeout
            elif left <= TAKE_SECONDS and ends is not None:
                return

    def take_command(self, agent_id: str, seconds: float = 0.0) -> Stored | None:
        """Take the oldest pending command of an agent; None if none comes within so long.

        Do not carry it out from `monotonic_end` on, a time of `time.monotonic()`.
        """
        taken: Stored | None = self._call(
            TAKE, (agent_id, seconds), (), False, True, seconds + _ANSWER_SECONDS
        )
        return taken

    def answer_command(
        self,
        command_id: str,
        state: str,
        detail: str | None = None,
        result: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Stored:
        """Answer a command that was taken; see `Feed`."""
        answer: Stored = self._call(
            "answer_command", (command_id, state, detail, result), (), False, True, timeout
        )
        return answer

    def send_command(
        self, agent_id: str, command: Record, *, timeout: float | None = None
    ) -> Stored:
        """Send a command that the agent declares; returns it; see `Feed`."""
        answer: Stored = self._call("send_command", (agent_id, command), (), False, True, timeout)
        return answer
