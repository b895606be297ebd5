"""Whether somebody sends messages: one row, which all processes read and senders renew."""

from __future__ import annotations

from typing import Final

from alphapulse_api.storage.engine import Engine, Transaction

DAY: Final = 86_400_000_000  # microseconds
# For so long alerts are noted while no sender runs, for example during an upgrade.
KEPT: Final = 7 * DAY
_RENEW: Final = (
    "INSERT INTO notifying (id, until) VALUES (1, $1) "
    "ON CONFLICT (id) DO UPDATE SET until = excluded.until WHERE notifying.until < $2"
)


async def renew(engine: Engine, at: int) -> None:
    """Let changes of alerts be noted from now on; writes at most once a day.

    Args:
        engine: the database.
        at: the present, in microseconds.

    Raises:
        Unavailable: if the database is away.
    """

    async def work(transaction: Transaction) -> None:
        await transaction.execute(_RENEW, at + KEPT, at + KEPT - DAY)

    await engine.write(work)
