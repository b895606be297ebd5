"""The work that one process does at a time, as one process that serves takes part in it."""

from __future__ import annotations

from collections.abc import Sequence

from alphapulse_api.config import Config
from alphapulse_api.log import EventLog
from alphapulse_api.record.relay import Relay
from alphapulse_api.rules.configured import configured_rules
from alphapulse_api.rules.evaluator import RuleEvaluator
from alphapulse_api.runtime.slices import Slices
from alphapulse_api.runtime.supervisor import Supervisor
from alphapulse_api.storage.accessors import Accessors


class Jobs:
    """Work under leases; it ends before another process serves the database file.

    Args:
        config: the configuration in force.
        accessors: the stores.
        events: the log.
        relay: what invalidates cached answers in this process.
        slices: divides long work on the loop.
        serve: whether this process serves HTTP; no other does any of the work.
        alone: whether this process has the lock of the database file.

    Raises:
        ConfigError: if the configuration states a rule that is not valid.
    """

    def __init__(
        self,
        config: Config,
        accessors: Accessors,
        events: EventLog,
        relay: Relay,
        slices: Slices,
        *,
        serve: bool,
        alone: bool,
    ) -> None:
        self._serve = serve
        self._configured = configured_rules(config)
        self._accessors = accessors
        self._evaluator = RuleEvaluator(accessors, events, slices, alone=alone)
        relay.writer.on_invalidated = self._evaluator.note_tags
        self._tasks = Supervisor()

    def __repr__(self) -> str:
        return f"<Jobs {self._tasks}>"

    @property
    def failing(self) -> Sequence[str]:
        """Names of the jobs that have failed and not recovered since."""
        return self._tasks.failing

    async def start(self) -> None:
        """Store the rules of the configuration, and begin.

        Raises:
            StartupError: if a rule that was made by the API has the id of one of them.
        """
        if not self._serve:
            return
        await self._accessors.rules.set_configured(self._configured)
        self._tasks.start(self._evaluator.run_forever, "evaluation of rules")

    async def cancel(self) -> None:
        """End the work, and release the leases."""
        await self._tasks.cancel()
