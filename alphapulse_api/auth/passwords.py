"""Passwords: argon2id, hashed and verified off the event loop.

Parameters are argon2-cffi's defaults, the low-memory choice of RFC 9106 (64 MiB, 3 passes, 4
lanes).
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from base64 import b64encode
from enum import Enum, auto
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from alphapulse_api.domain.names import same_password

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 1024  # bounds the cost of hashing what a hostile client sends
_AT_ONCE: Final = 2  # concurrent verifications; each takes a core and 64 MiB

hasher = PasswordHasher()


def hash_of_nobody() -> str:
    """A hash that matches no password, so that unknown users take as long as known ones.

    It is random: computing one would make the first unknown user take twice as long.
    """
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


def check_new_password(password: str) -> None:
    """Check a password that a user wants to set.

    Raises:
        ValueError: if it is not acceptable; the text is one sentence.
    """
    if not MIN_LENGTH <= len(same_password(password)) <= MAX_LENGTH:
        raise ValueError(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise ValueError("a password has no control characters, and is text in UTF-8")


class Match(Enum):
    """Whether a password matches a stored hash."""

    NONE = auto()
    YES = auto()
    OLD_FORM = auto()  # it does, but was hashed before normalization: hash it again


class Passwords:
    """Hashes and verifies passwords, a bounded number at the same time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """The argon2id hash to store."""
        async with self._slots:
            return await asyncio.to_thread(hasher.hash, same_password(password))

    async def match(self, stored: str | None, password: str) -> Match:
        """Whether the password matches a stored hash; None stands for an unknown user."""
        async with self._slots:
            return await asyncio.to_thread(_match, stored, password)


def _match(stored: str | None, password: str) -> Match:
    if len(password) > MAX_LENGTH:
        stored, password = None, ""
    normal = same_password(password)
    if _matches(stored, normal):
        return Match.YES
    # The hash may be from before passwords were normalized. Whether that is tried depends only on
    # the given password, so that the time does not reveal whether the user exists.
    return Match.OLD_FORM if normal != password and _matches(stored, password) else Match.NONE


def _matches(stored: str | None, password: str) -> bool:
    try:
        hasher.verify(stored or hash_of_nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None
