"""Books."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import AFTER_NOON

_BOOK: Final = {"title": "New filter", "mode": "paper", "currency": "USD"}
_BOOK_ANSWER: Final = {
    "id": "beta", **_BOOK, "opened_at": AFTER_NOON, "closed_at": None,
}  # fmt: skip

REQUESTS: Final[Mapping[str, Any]] = {
    "BookRequest": _BOOK,
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Book": _BOOK_ANSWER,
}
