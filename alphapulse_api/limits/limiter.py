"""A rate limit, counted in Redis by all processes, or else by this process alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from alphapulse_api.limits.gcra import TOLERANCE, Gcra, Verdict
from alphapulse_api.runtime.lua import load_lua
from alphapulse_api.runtime.redis import PREFIX, RedisAway, RedisLink

if TYPE_CHECKING:
    from redis.asyncio import Redis

MICROSECONDS: Final = 1_000_000
LONGEST_NAME: Final = 128  # longer names of callers are kept as a digest

TAKE: Final = load_lua(__package__, "take")
_GIVE_BACK: Final = load_lua(__package__, "give_back")


class Limiter:
    """Counts what callers do, and refuses what exceeds the limit.

    Args:
        name: distinguishes this limit's counts from those of other limits in the same Redis.
        gcra: the limit, and the counts of this process.
        link: to the Redis in which all processes count. Without one, and while Redis is away, each
            process counts alone.
    """

    def __init__(self, name: str, gcra: Gcra, link: RedisLink | None = None) -> None:
        self.quota = gcra.quota
        self.window = gcra.window
        self.policy = f'"default";q={gcra.quota};w={gcra.window:.0f}'
        self._name = name
        self._gcra = gcra
        self._link = link
        if link is not None:
            self._interval = gcra.interval * MICROSECONDS
            self._take_args = (self._interval, self.window * MICROSECONDS, TOLERANCE)
            self._take = link.redis.register_script(TAKE)
            self._give_back = link.redis.register_script(_GIVE_BACK)
            link.prepare(self._rehearse)

    async def take(self, caller: str) -> Verdict:
        """Count one action of the caller, unless it is refused."""
        if self._link is not None:
            keys = [self._key(caller)]
            try:
                allowed, reset = await self._link.script(self._take, keys, self._take_args)
            except RedisAway:
                pass
            else:
                return self._gcra.verdict(allowed == 1, float(reset) / MICROSECONDS)
        return self._gcra.take(self._local_key(caller))

    async def give_back(self, caller: str) -> None:
        """Take back one count of the caller."""
        if self._link is not None:
            try:
                await self._link.script(self._give_back, [self._key(caller)], [-self._interval])
            except RedisAway:
                pass
            else:
                return
        self._gcra.give_back(self._local_key(caller))

    def _local_key(self, caller: str) -> str:
        return caller if len(caller) <= LONGEST_NAME else self._key(caller)

    def _key(self, caller: str) -> str:
        # At login, callers choose the name: it may have any length and any character.
        digest = hashlib.blake2b(caller.encode(), digest_size=16).hexdigest()
        return f"{PREFIX}limit:{self._name}:{digest}"

    async def _rehearse(self, _: Redis) -> Any:
        """Check that this Redis permits every command that the limit needs."""
        keys = [self._key("rehearsal:")]
        await self._take(keys=keys, args=self._take_args)
        await self._give_back(keys=keys, args=[-self._interval])
