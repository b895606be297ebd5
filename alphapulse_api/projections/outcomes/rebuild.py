"""Computes all outcomes again, beside a running server or without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alphapulse_api.projections.outcomes.updating import update_all
from alphapulse_api.storage.engine import Engine, Transaction
from alphapulse_api.storage.tables.signal_outcomes import expect_outcomes
from alphapulse_api.storage.tables.signals import SIGNALS

PAGE: Final = 500  # signals a step
_SIGNALS: Final = (
    f"SELECT {SIGNALS.select} FROM signals WHERE horizon IS NOT NULL AND (book, id) > ($1, $2) "
    f"ORDER BY book, id LIMIT {PAGE}"
)
_AGAIN: Final = "ON CONFLICT (book, signal_id) DO UPDATE SET check_at = excluded.check_at"


async def rebuild(engine: Engine) -> int:
    """Compute the outcomes of all signals again, and return how many signals have a horizon.

    Outcomes whose signals or prices retention has deleted stay.
    """
    count, last = 0, ("", "")
    while True:
        page = SIGNALS.records(await engine.fetch(_SIGNALS, *last))
        if not page:
            break

        async def work(transaction: Transaction, page: Sequence[dict[str, Any]] = page) -> None:
            await expect_outcomes(transaction, page, _AGAIN)

        await engine.write(work)
        count += len(page)
        last = page[-1]["book"], page[-1]["id"]
    await update_all(engine)
    return count
