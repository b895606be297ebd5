"""What all answers have in common: they may gain fields, and say which of theirs always come."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import INCLUDE, Schema


class Answer(Schema):
    """What the server sends: it documents, and is never loaded.

    A later release may send more fields. Those that are here always come, except `optional` ones;
    only fields with `allow_none` can be null.
    """

    class Meta:
        unknown = INCLUDE

    optional: ClassVar[frozenset[str]] = frozenset()
