"""A limit that holds over every process, where there is a Redis, and over this one, where not."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from alphapulse_api.limits.gcra import TOLERANCE, Gcra, Verdict
from alphapulse_api.runtime.redis import PREFIX, RedisAway, RedisLink

if TYPE_CHECKING:
    from redis.asyncio import Redis

MICROSECONDS: Final = 1_000_000
LONGEST_NAME: Final = 128  # of a caller; of longer ones a digest is remembered

# KEYS: the caller's arrival time, in microseconds by Redis' own clock, which all processes share.
# ARGV: interval and window, in microseconds.
# Gives whether it is allowed, and the microseconds until the allowance is whole, as text: Lua's
# numbers lose their fraction. A clock set back must not keep anybody waiting longer than a window.
_TAKE: Final = f"""
local time = redis.call('TIME')
local now = time[1] * {MICROSECONDS} + time[2]
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
whole_at = math.min(math.max(whole_at, now), now + window)
local allowed = whole_at + interval - now - window <= interval * {TOLERANCE}
if allowed then
    whole_at = whole_at + interval
    local text = string.format('%.3f', whole_at)
    redis.call('SET', KEYS[1], text, 'PX', math.ceil(window / 1000))
end
return {{allowed and 1 or 0, string.format('%.3f', whole_at - now)}}
"""

# KEYS: the same. ARGV: minus the interval.
_GIVE_BACK: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('INCRBYFLOAT', KEYS[1], ARGV[1])
end
"""


class Limiter:
    """Counts what callers do.

    Args:
        name: of what is counted, apart from what others count.
        gcra: the limit, and the counts of this process.
        link: to the Redis that all processes count in; None: each counts by itself, as it does
            while Redis is away.
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
            self._take = link.redis.register_script(_TAKE)
            self._give_back = link.redis.register_script(_GIVE_BACK)
            link.prepare(self._rehearse)

    async def take(self, caller: str) -> Verdict:
        """Count one, unless it is refused."""
        if self._link is not None:
            args = (self._interval, self.window * MICROSECONDS)
            try:
                allowed, reset = await self._link.script(self._take, [self._key(caller)], args)
            except RedisAway:
                pass
            else:
                return self._gcra.verdict(allowed == 1, float(reset) / MICROSECONDS)
        return self._gcra.take(self._remembered(caller))

    async def give_back(self, caller: str) -> None:
        """Take back one count."""
        if self._link is not None:
            try:
                await self._link.script(self._give_back, [self._key(caller)], [-self._interval])
            except RedisAway:
                pass
            else:
                return
        self._gcra.give_back(self._remembered(caller))

    def _remembered(self, caller: str) -> str:
        return caller if len(caller) <= LONGEST_NAME else self._key(caller)

    def _key(self, caller: str) -> str:
        # Callers name themselves at the login: of any length, with any character.
        digest = hashlib.blake2b(caller.encode(), digest_size=16).hexdigest()
        return f"{PREFIX}limit:{self._name}:{digest}"

    async def _rehearse(self, _: Redis) -> Any:
        """See that all we do is permitted."""
        keys = [self._key("rehearsal:")]
        await self._take(keys=keys, args=(self._interval, self.window * MICROSECONDS))
        await self._give_back(keys=keys, args=[-self._interval])
