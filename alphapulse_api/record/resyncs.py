"""Makes the followers of a channel read it again, also after the database was away."""

from __future__ import annotations

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.storage import outbox
from alphapulse_api.storage.engine import Engine, Transaction


class Resyncs:
    """Writes `resync` rows to the outbox.

    An import that breaks off because the database is away has stored records without events. Its
    `resync` cannot be written then, so it is owed until the database is back.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._owed: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Resyncs owed={list(self._owed)}>"

    async def write(self, channel: str) -> None:
        """Write a row for a channel; it is owed if this fails.

        Raises:
            Unavailable: if the database is away.
        """

        async def work(transaction: Transaction) -> None:
            transaction.publish(outbox.resync(channel))

        try:
            await self._engine.write(work)
        except Unavailable:
            self._owed[channel] = None
            raise
        # A channel that is read again owes nothing.
        self._owed.pop(channel, None)

    async def write_owed(self) -> None:
        """Write the rows that are owed.

        Raises:
            Unavailable: if the database is still away.
        """
        for channel in tuple(self._owed):
            await self.write(channel)
