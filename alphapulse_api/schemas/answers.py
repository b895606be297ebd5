"""The base of all answers: they may gain fields, and say which of their fields are always sent."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import INCLUDE, Schema


class Answer(Schema):
    """What the server sends; such a schema documents, and is never loaded.

    A later release may send more fields. The fields declared here are always sent, except
    `optional` ones; only fields with `allow_none` can be null.
    """

    class Meta:
        unknown = INCLUDE

    optional: ClassVar[frozenset[str]] = frozenset()
