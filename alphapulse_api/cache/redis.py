"""The cache that several processes share in a Redis.

Versions are random tokens in one hash, a field a resource, of which there are few (`base.slot`). A
write deletes the field, which works in a Redis that is full, too; whoever looks next finds none and
makes one. So a token is never used again, and a version that was evicted or has expired costs its
answers and nothing else. An answer is one value that begins with the token it was computed under.

Scripts do not outlive the server, and its dump may be older than the writes. A dump's versions and
answers fit each other, though not the data. So whoever has to load the script that looks deletes
the versions first: nobody finds an answer before that has been done.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from alphapulse_api.cache.base import Entry, Key, Version, slot
from alphapulse_api.cache.values import TOKEN_BYTES, decode, encode
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.version import VERSION
from alphapulse_api.runtime.redis import PREFIX, RedisAway, RedisLink
from alphapulse_api.runtime.slices import ON_LOOP_BYTES

if TYPE_CHECKING:
    from redis.asyncio import Redis

MAX_VALUE_BYTES: Final = 4 * 2**20  # larger answers are computed each time
_VERSIONS: Final = f"{PREFIX}versions"
_REHEARSED: Final = "rehearsal"  # no resource has this name
_EVERYTHING: Final = "*"  # nor this: it stands for all of them

# The hash of versions, after the last of them was made: a cache that nobody uses leaves nothing.
VERSIONS_SECONDS: Final = 86_400

# KEYS: versions, answer. ARGV: resource, the token it gets if it has none.
# Gives the version, and the answer if it is of that version: others stay where they are.
_LOOK: Final = f"""
local version = redis.call('HGET', KEYS[1], ARGV[1])
if not version then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    redis.call('EXPIRE', KEYS[1], {VERSIONS_SECONDS})
    return {{ARGV[2], false}}
end
local answer = redis.call('GET', KEYS[2])
if answer and string.sub(answer, 1, #version) == version then
    return {{version, answer}}
end
return {{version, false}}
"""
_LOOK_SHA: Final = hashlib.sha1(_LOOK.encode(), usedforsecurity=False).hexdigest()

# KEYS: versions, answer. ARGV: resource, version, answer, milliseconds to live.
_PUT: Final = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
    redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
end
"""


class RedisCache:
    """Answers in a Redis, reached by every process that has the same one.

    Args:
        link: to the Redis.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._put = link.redis.register_script(_PUT)
        # What a write could not delete, each with a mark of its own: deleted before the next look.
        self._missed: dict[str, object] = {}
        self._deletions: set[asyncio.Task[None]] = set()
        link.prepare(self._rehearse)
        link.on_return(self._make_up)

    async def look(self, resource: str, key: Key) -> tuple[Version | None, Entry | None]:
        missed = dict(self._missed)
        resource = slot(resource)

        async def work(redis: Redis) -> Any:
            if missed:
                await _delete(redis, missed)
            return await _look(redis, resource, _name(key))

        try:
            version, value = await self._link.call(work)
        except RedisAway:
            return None, None
        self._forget(missed)
        if value is None or len(value) <= ON_LOOP_BYTES:
            return version, None if value is None else decode(value)
        return version, await asyncio.to_thread(
            decode, value
        )  # hashes without the interpreter lock

    async def put(
        self, resource: str, key: Key, version: Version, entry: Entry, ttl: float
    ) -> None:
        value = encode(cast("bytes", version), entry)
        milliseconds = int(ttl * 1000)
        if milliseconds < 1 or len(value) > MAX_VALUE_BYTES:
            return
        keys = (_VERSIONS, _name(key))
        try:
            await self._link.script(self._put, keys, (slot(resource), version, value, milliseconds))
        except RedisAway:
            pass  # the answer itself is not in danger, and the link has logged it

    async def invalidate(self, *resources: str) -> None:
        # What is written is stored already: a caller that gives up here must not leave the answers
        # of before.
        await asyncio.shield(self._start(tuple(map(slot, resources))))

    async def clear(self) -> None:
        await self.invalidate(_EVERYTHING)

    def _start(self, resources: Iterable[str]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._invalidate(resources))
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)
        return task

    async def _invalidate(self, resources: Iterable[str]) -> None:
        missed = dict(self._missed)
        try:
            await self._link.call(lambda redis: _delete(redis, (*resources, *missed)))
        except RedisAway:
            self._missed.update((resource, object()) for resource in resources)
        else:
            self._forget(missed)

    def _make_up(self) -> None:
        """Delete what was missed while the link was being prepared."""
        if self._missed:
            self._start(())

    async def _rehearse(self, redis: Redis) -> None:
        """Delete what was missed before anybody looks, and see that all we do is permitted."""
        missed = dict(self._missed)
        await _delete(redis, (_REHEARSED, *missed))
        self._forget(missed)
        name = _name((_REHEARSED,))
        version, _ = await _look(redis, _REHEARSED, name)
        await self._put(keys=(_VERSIONS, name), args=(_REHEARSED, version, version, 1))

    def _forget(self, missed: dict[str, object]) -> None:
        """No longer miss what has been deleted, unless it was missed again meanwhile."""
        for resource, mark in missed.items():
            if self._missed.get(resource) is mark:
                del self._missed[resource]


async def _look(redis: Redis, resource: str, name: str) -> tuple[bytes, bytes | None]:
    from redis.exceptions import NoScriptError

    async def ask() -> Any:
        token = secrets.token_bytes(TOKEN_BYTES)
        return await redis.evalsha(_LOOK_SHA, 2, _VERSIONS, name, resource, token)

    try:
        version, value = await ask()
    except NoScriptError:
        await redis.delete(_VERSIONS)
        await redis.script_load(_LOOK)
        version, value = await ask()
    return version, value


async def _delete(redis: Redis, resources: Iterable[str]) -> None:
    names = set(resources)
    if _EVERYTHING in names:
        await redis.delete(_VERSIONS)
    elif names:
        await redis.hdel(_VERSIONS, *names)


def _name(key: Key) -> str:
    # Another release may answer in other words.
    digest = hashlib.blake2b(dumps([VERSION, *key]), digest_size=16).hexdigest()
    return f"{PREFIX}answer:{digest}"
