"""API keys: `apk_<id>_<secret><checksum>`; webhook tokens have the prefix `whk`.

The checksum (CRC-32 of everything before it, in base 62) lets secret scanners and this server
recognise a mistyped key without a look-up. The secret has 190 random bits, so a plain SHA-256 is
safe to store.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from typing import Final, NamedTuple

API_KEY: Final = "apk"
WEBHOOK_TOKEN: Final = "whk"  # noqa: S105 (a prefix)
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH: Final = 12
_SECRET_LENGTH: Final = 32
_CHECKSUM_LENGTH: Final = 6
_KEY = re.compile(
    rf"({API_KEY}|{WEBHOOK_TOKEN})_([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


class ParsedKey(NamedTuple):
    """A well-formed key: its prefix, its id, and the hash of its secret."""

    prefix: str
    id: str
    secret_hash: str


def random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def make_key(prefix: str = API_KEY) -> tuple[str, ParsedKey]:
    """A new key: the text for its owner, and its parts; the prefix is not stored."""
    key_id, secret = random_text(_ID_LENGTH), random_text(_SECRET_LENGTH)
    text = f"{prefix}_{key_id}_{secret}"
    return text + _checksum(text), ParsedKey(prefix, key_id, _hash(secret))


def parse_key(key: str) -> ParsedKey | None:
    """The parts of a key; None if the text is not a key."""
    match = _KEY.fullmatch(key)
    if match is None or _checksum(key[:-_CHECKSUM_LENGTH]) != match[4]:
        return None
    return ParsedKey(match[1], match[2], _hash(match[3]))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
