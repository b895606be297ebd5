"""The cache that several processes share in a Redis.

Versions are random tokens in one hash, which has a bounded number of fields (`base.slot`). A write
deletes the resource's field, which works even in a Redis that is full; the next look-up finds no
version and makes one. A token is never used twice, so a version that was evicted or has expired
costs only the answers under it. An answer is one value that begins with the token under which it
was computed.

A Redis that restarts may restore a dump from before recent writes. Versions and answers in a dump
match each other, but not the data. A dump contains no scripts, so the process that has to load the
look-up script deletes all versions first, and no restored answer is found.
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
from alphapulse_api.runtime.lua import load_lua
from alphapulse_api.runtime.redis import PREFIX, RedisAway, RedisLink
from alphapulse_api.runtime.slices import ON_LOOP_BYTES

if TYPE_CHECKING:
    from redis.asyncio import Redis

MAX_VALUE_BYTES: Final = 4 * 2**20  # larger answers are not cached
_VERSIONS: Final = f"{PREFIX}versions"
_REHEARSED: Final = "rehearsal"  # no resource has this name
_EVERYTHING: Final = "*"  # stands for all resources; no resource has this name either

# The hash of versions expires this long after its newest version was made, so that an unused cache
# leaves nothing behind.
VERSIONS_SECONDS: Final = 86_400

_LOOK: Final = load_lua(__package__, "look")
_LOOK_SHA: Final = hashlib.sha1(_LOOK.encode(), usedforsecurity=False).hexdigest()
_PUT: Final = load_lua(__package__, "put")


class RedisCache:
    """Answers in a Redis, for every process that uses the same one.

    Args:
        link: to the Redis.
        keeps_outdated: whether to store an answer that is outdated by the time it is computed.
    """

    def __init__(self, link: RedisLink, *, keeps_outdated: bool = False) -> None:
        self._link = link
        self._keeps_outdated = b"1" if keeps_outdated else b"0"
        self._put = link.redis.register_script(_PUT)
        # Invalidations that failed while Redis was away; they are repeated before the next look-up.
        # Each value is a new object, so that one that fails again meanwhile is not removed as done.
        self._missed: dict[str, object] = {}
        self._deletions: set[asyncio.Task[None]] = set()
        link.prepare(self._rehearse)
        link.on_return(self._repeat_missed)

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
        return version, await _decoded(value)

    async def outdated(self, key: Key) -> Entry | None:
        async def work(redis: Redis) -> Any:
            return await redis.get(_name(key))

        try:
            return await _decoded(await self._link.call(work))
        except RedisAway:
            return None

    async def put(
        self, resource: str, key: Key, version: Version, entry: Entry, ttl: float
    ) -> None:
        value = encode(cast("bytes", version), entry)
        milliseconds = int(ttl * 1000)
        if milliseconds < 1 or len(value) > MAX_VALUE_BYTES:
            return
        keys = (_VERSIONS, _name(key))
        args = (slot(resource), version, value, milliseconds, self._keeps_outdated)
        try:
            await self._link.script(self._put, keys, args)
        except RedisAway:
            pass  # the caller has its answer, and the link has logged the outage

    async def invalidate(self, *resources: str) -> None:
        # The write is committed already: cancelling its caller must not leave stale answers.
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

    def _repeat_missed(self) -> None:
        """Repeat the invalidations that failed while the link was being prepared."""
        if self._missed:
            self._start(())

    async def _rehearse(self, redis: Redis) -> None:
        """Repeat failed invalidations before any look-up; check that commands are permitted."""
        missed = dict(self._missed)
        await _delete(redis, (_REHEARSED, *missed))
        self._forget(missed)
        name = _name((_REHEARSED,))
        version, _ = await _look(redis, _REHEARSED, name)
        await self._put(keys=(_VERSIONS, name), args=(_REHEARSED, version, version, 1, b"0"))

    def _forget(self, missed: dict[str, object]) -> None:
        """Remove invalidations that have succeeded, unless they failed again meanwhile."""
        for resource, mark in missed.items():
            if self._missed.get(resource) is mark:
                del self._missed[resource]


async def _decoded(value: bytes | None) -> Entry | None:
    if value is None or len(value) <= ON_LOOP_BYTES:
        return None if value is None else decode(value)
    # Hashing a large body on a thread releases the interpreter lock.
    return await asyncio.to_thread(decode, value)


async def _look(redis: Redis, resource: str, name: str) -> tuple[bytes, bytes | None]:
    from redis.exceptions import NoScriptError

    async def ask() -> Any:
        token = secrets.token_bytes(TOKEN_BYTES)
        return await redis.evalsha(_LOOK_SHA, 2, _VERSIONS, name, resource, token, VERSIONS_SECONDS)

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
    # Another release may answer the same request differently.
    digest = hashlib.blake2b(dumps([VERSION, *key]), digest_size=16).hexdigest()
    return f"{PREFIX}answer:{digest}"
