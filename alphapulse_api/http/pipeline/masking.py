"""Keys and tokens in a path, masked before it is written anywhere.

A webhook token belongs in a path. An API key does not, but somebody will put one there.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from alphapulse_api.auth.api_keys import API_KEY, WEBHOOK_TOKEN

_SECRET: Final = re.compile(rf"({API_KEY}|{WEBHOOK_TOKEN})_[^/]*", re.IGNORECASE)


def masked(path: str) -> str:
    """The path with `***` in place of each secret.

    Args:
        path: the path of the request line, percent-encoded.
    """
    text = unquote(path) if "%" in path else path
    if _SECRET.search(text) is None:
        return path
    return quote(_SECRET.sub(r"\1_***", text), safe="/*")
