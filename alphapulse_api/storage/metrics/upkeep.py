"""Background work for questions about metrics: the index of labels and the sketches."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from alphapulse_api.domain.errors import Unavailable
from alphapulse_api.domain.times import now, to_micros
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.labels import enter_all
from alphapulse_api.storage.metrics.rollups.sketching import sketch_all

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 300.0


async def upkeep_forever(engine: Engine) -> None:
    """Complete the index of labels and the sketches every five minutes, until cancelled."""
    while True:
        try:
            await enter_all(engine)
            await sketch_all(engine, to_micros(now()))
        except Unavailable as outage:  # already logged once, by the monitor
            logger.debug("upkeep of metrics skipped: %s", outage.detail)
        await asyncio.sleep(EVERY_SECONDS)
