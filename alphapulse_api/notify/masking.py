"""Removes secrets of receivers from texts, such as the errors of a library. No I/O."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

from alphapulse_api.config.masks import MASK

SHORTEST: Final = 3  # shorter parts of a URL are in too many words
LONGEST: Final = 500  # characters of an error
# What says which service it is, and nothing else.
_PUBLIC: Final = frozenset({"http", "https", "www", "com", "org", "net", "api", "localhost"})


class Mask:
    """Hides everything that some URLs and secrets consist of.

    Args:
        secrets: URLs, whose every part may be secret, and other texts.
    """

    __slots__ = ("_pattern",)

    def __init__(self, secrets: Iterable[str]) -> None:
        parts = {part for secret in secrets for part in _parts(secret)}
        ordered = sorted(parts, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered)) or "(?!)", re.IGNORECASE)

    def __repr__(self) -> str:
        return "<Mask>"

    def __call__(self, text: str) -> str:
        """The text in one line, bounded, and without the secrets."""
        line = " ".join(self._pattern.sub(MASK, text).split())
        return line if len(line) <= LONGEST else line[:LONGEST] + "…"


def _parts(secret: str) -> set[str]:
    """A secret, each part of it, and the forms in which these are written."""
    scheme, _, rest = secret.partition("://")
    pieces = {secret, rest, *re.split(r"[/:@?&=,;#+]", rest)}
    credentials, at, _ = rest.rpartition("@")
    if at:
        encoded = base64.b64encode(unquote(credentials).encode()).decode()
        pieces |= {credentials, encoded}
    if not rest:
        pieces.add(scheme)
    forms = {form for piece in pieces for form in (piece, unquote(piece), quote(piece, safe=""))}
    return {form for form in forms if len(form) >= SHORTEST and form.lower() not in _PUBLIC}
