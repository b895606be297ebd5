"""Passwords: argon2id, hashed and verified off the event loop.

Parameters are argon2-cffi's defaults, the low-memory choice of RFC 9106 (64 MiB, 3 passes, 4
lanes).
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 1024  # hashing cost grows with length: a bound for the hostile client
_AT_ONCE: Final = 2  # verifications that may run together: each takes a core and 64 MiB

_hasher = PasswordHasher()


def _nobodys_hash() -> str:
    """A hash that no known password has, so that an unknown user costs what a known one does.

    It is made up: one that is computed would make the first unknown user cost twice as much.
    """
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (_hasher.salt_len, _hasher.hash_len)
    )
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


def check_new_password(password: str) -> None:
    """Raises `ValueError` with one sentence if a password is not acceptable."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ValueError(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")


class Passwords:
    """Hashes and verifies, a bounded number at once."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """The argon2id hash to store."""
        async with self._slots:
            return await asyncio.to_thread(_hasher.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored hash's; None stands for a user that is not there."""
        async with self._slots:
            return await asyncio.to_thread(_matches, stored, password)


def _matches(stored: str | None, password: str) -> bool:
    if len(password) > MAX_LENGTH:
        stored, password = None, ""
    try:
        _hasher.verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None
