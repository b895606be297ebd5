"""Folds profit soon after trades were stored."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.projections.pnl.folding import fold_some
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.engine.long_reads import long_reads

logger = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.5  # after a trade, in which others join it
LOOK_SECONDS: Final = 5.0  # between two looks for what another process stored and did not fold


class PnlFollower:
    """Folds profit in the background of a server.

    Args:
        engine: the database.
        alone: whether `wake` is called for the commits of other processes, too; otherwise they are
            looked for.
    """

    def __init__(self, engine: Engine, *, alone: bool) -> None:
        self._engine = engine
        self._every = None if alone else LOOK_SECONDS
        self._woken = asyncio.Event()
        self._woken.set()  # for what an earlier process left

    def wake(self) -> None:
        """Look for trades that are not folded yet."""
        self._woken.set()

    async def follow_forever(self) -> None:
        """Fold what is stored, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._every):
                    await self._woken.wait()
                await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                pass
            self._woken.clear()
            try:
                await self._fold()
            except Unavailable as outage:  # already logged once, by the monitor
                logger.debug("the profit is not folded: %s", outage.detail)
                self._woken.set()

    async def _fold(self) -> None:
        began = time.monotonic()
        with long_reads():
            while await fold_some(self._engine):
                # Leave the database to others for the same time.
                await asyncio.sleep(min(time.monotonic() - began, 1.0))
                began = time.monotonic()
