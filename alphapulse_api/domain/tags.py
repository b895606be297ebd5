"""Cache tags: what a cached answer depends on, and what a write makes stale.

An answer depends on one tag: the tag of its narrowest filter or, without a filter, of its resource.
A write invalidates the tag of its resource and one for each value that is written; combinations
have no tags. So a write of one symbol leaves the answers about other symbols valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

# The fields of each resource whose values have tags; the narrowest first.
TAGGED: Final[Mapping[str, tuple[str, ...]]] = {
    "trades": ("symbol", "agent_id"),
    "agents": ("agent_id",),
    "decisions": ("agent_id",),
}


def tag(resource: str, field: str, value: str) -> str:
    """The tag of the records whose field has that value."""
    return f"{resource}:{field}={value}".replace("\n", " ")  # tags are stored one a line


def tag_of_filters(resource: str, filters: Mapping[str, Any]) -> str:
    """The tag that an answer depends on.

    Args:
        resource: what it lists.
        filters: the values that each field may have: one, or a collection.
    """
    for field in TAGGED.get(resource, ()):
        match filters.get(field):
            case str(value) | [str(value)]:
                return tag(resource, field, value)
    return resource


def tags_of(resource: str, records: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """The tags of the answers that written records make stale."""
    fields = TAGGED.get(resource, ())
    tags = {resource: None}  # in order, each once
    for record in records:
        for field in fields:
            if (value := record.get(field)) is not None:
                tags[tag(resource, field, value)] = None
    return tuple(tags)
