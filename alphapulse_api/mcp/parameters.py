"""The parameters of the tools, with the descriptions that a model reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

Hours = Annotated[
    float, Field(gt=0, le=24 * 366, description="How many hours back from now to look.")
]
Limit = Annotated[int, Field(ge=1, le=50, description="The most rows to return.")]
Symbol = Annotated[str | None, Field(description="Only of this symbol.")]
Book = Annotated[
    str | None,
    Field(description="A book, or * for every one; default: the key's home book, usually main."),
]
Until = Annotated[
    AwareDatetime | None, Field(description="The end of the range (RFC 3339); default: now.")
]
AsOf = Annotated[
    AwareDatetime | None, Field(description="A past instant (RFC 3339); default: now.")
]
Severity = Literal["info", "warning", "error", "critical"]


def range_of(hours: float, until: datetime | None) -> tuple[datetime, datetime]:
    """The start and the end of a range."""
    end = until or datetime.now(UTC)
    return end - timedelta(hours=hours), end
