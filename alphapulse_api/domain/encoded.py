"""Records that are encoded once: for the answer, the snapshot and the event alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alphapulse_api.domain.encoding import dumps


class Encoded(dict[str, Any]):
    """A record with its JSON; it must not be changed.

    Attributes:
        json: UTF-8.
    """

    __slots__ = ("json",)

    def __init__(self, record: Mapping[str, Any], json: bytes) -> None:
        super().__init__(record)
        self.json = json


def json_of(record: Mapping[str, Any]) -> bytes:
    """The JSON of a record, which may exist already."""
    return record.json if isinstance(record, Encoded) else dumps(record)
