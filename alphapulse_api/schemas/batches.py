"""Batches whose valid records may be stored without the invalid ones."""

from __future__ import annotations

from typing import ClassVar

from marshmallow import Schema, fields

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import Choice

STOP, CONTINUE = ON_ERROR = ("stop", "continue")


class OnError(Choice):
    """What a record that is refused means for the others."""

    words = ON_ERROR


class BatchQuery(Schema):
    """What a record that is refused means for the others."""

    on_error = OnError(
        metadata={
            "description": "stop (the default): all records are stored or none; "
            "continue: the good ones are stored"
        },
    )


class ItemResult(Answer):
    """What became of one record."""

    optional: ClassVar = frozenset({"id", "error"})

    status = fields.Integer(
        metadata={
            "description": "201 stored; 200 stored before, with the same content; "
            "404 the caller has no such book; 409 its id exists with other content; 422 not "
            "valid. A metric point has no id: 200 if there was one of the same series and time, "
            "whose value it has replaced",
        },
    )
    id = fields.String(
        metadata={"description": "of a record that is stored, where its kind has ids"}
    )
    error = fields.String(metadata={"description": "why it was refused", "maxLength": 200})


class BatchResult(Answer):
    """What became of a batch."""

    accepted = fields.Integer(metadata={"description": "records that are stored"})
    refused = fields.Integer(metadata={"description": "records that are not"})
    results = fields.List(
        fields.Nested(ItemResult),
        metadata={"description": "one for each record, in the order they were sent"},
    )
