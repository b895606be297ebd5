"""Batches of which the good records may be stored without the bad ones."""

from __future__ import annotations

from marshmallow import Schema, fields

from alphapulse_api.schemas.fields import Choice

STOP, CONTINUE = ON_ERROR = ("stop", "continue")


class BatchQuery(Schema):
    """What a record that is refused means for the others."""

    on_error = Choice(
        *ON_ERROR,
        metadata={
            "description": "stop (the default): all records are stored or none; "
            "continue: the good ones are stored"
        },
    )


class ItemResult(Schema):
    """What became of one record."""

    status = fields.Integer(
        required=True,
        metadata={
            "enum": [200, 201, 409, 422],
            "description": "201 stored; 200 stored before, with the same content; "
            "409 its id exists with other content; 422 not valid",
        },
    )
    id = fields.String(metadata={"description": "of a trade that is stored"})
    error = fields.String(metadata={"description": "why it was refused", "maxLength": 200})


class BatchResult(Schema):
    """What became of a batch."""

    accepted = fields.Integer(required=True, metadata={"description": "records that are stored"})
    refused = fields.Integer(required=True)
    results = fields.List(
        fields.Nested(ItemResult),
        required=True,
        metadata={"description": "one for each record, in the order they were sent"},
    )
