"""The encoding of an answer as the value of one Redis key.

The value is the version's token, a line of JSON (etag, headers, and when the data were read), then
the body. A value may be damaged or written by another program. The etag is a hash of the body, so a
truncated or changed body is detected.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from multidict import CIMultiDict

from alphapulse_api.cache.base import Entry
from alphapulse_api.domain.encoding import dumps, loads_stored

TOKEN_BYTES: Final = 16
# These exclude every character that could end a header and begin another.
_VERSION: Final = re.compile(r"[0-9a-f.]+")
_HEADER: Final = re.compile(r"[\x20-\x7e]*")


def etag_of(body: bytes, version: str | None = None) -> str:
    """The strong validator of a body (RFC 9110, section 8.8.3).

    Args:
        body: with its content coding.
        version: the version of the record that the body shows; the tag begins with it.
    """
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def encode(token: bytes, entry: Entry) -> bytes:
    """The value for an answer that was computed under the version `token`."""
    return b"".join(
        (token, dumps([entry.etag, list(entry.headers.items()), entry.read_at]), b"\n", entry.body)
    )


def decode(value: bytes) -> Entry | None:
    """The answer in a value; None for a value that `encode` did not make."""
    head, _, body = value[TOKEN_BYTES:].partition(b"\n")
    try:
        match loads_stored(head):
            case [str(etag), list(headers), float(read_at)] if _fits(etag, body) and all(
                map(_sane, headers)
            ):
                return Entry(body, etag, CIMultiDict(headers), read_at)
    except ValueError:
        pass
    return None


def _fits(etag: str, body: bytes) -> bool:
    version, hyphen, _ = etag[1:].partition("-")
    if not hyphen:
        return etag == etag_of(body)
    return bool(_VERSION.fullmatch(version)) and etag == etag_of(body, version)


def _sane(header: Any) -> bool:
    match header:
        case [str(name), str(value)]:
            return bool(name and _HEADER.fullmatch(name) and _HEADER.fullmatch(value))
    return False
