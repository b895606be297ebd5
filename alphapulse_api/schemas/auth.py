"""Callers and tokens."""

from __future__ import annotations

from marshmallow import Schema, fields

from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import Choice, Timestamp


class GrantType(Choice):
    """Whether a user name and password are given, or a refresh token."""

    words = ("password", "refresh_token")


class Me(Answer):
    """Who is calling."""

    username = fields.String()
    role = fields.String()
    permissions = fields.List(fields.String())
    auth = fields.String(metadata={"description": "jwt or api_key"})
    books = fields.List(
        fields.String(),
        allow_none=True,
        metadata={"description": "those that the caller is limited to; null: every book"},
    )
    home = fields.String(metadata={"description": "the book that is meant where none is named"})
    expires_at = Timestamp(allow_none=True)


class TokenRequest(Schema):
    """RFC 6749, sections 4.3 and 6."""

    grant_type = GrantType(required=True)
    # Tools that make a form take the examples of its fields.
    username = fields.String(metadata={"example": "ann"})
    password = fields.String(
        metadata={"format": "password", "example": "correct horse battery staple"}
    )
    refresh_token = fields.String(metadata={"example": "art_0b6a2f1e9c3d4a5b"})


class Token(Answer):
    """RFC 6749, section 5.1."""

    access_token = fields.String()
    token_type = fields.String()
    expires_in = fields.Integer(metadata={"description": "seconds"})
    refresh_token = fields.String()
    role = fields.String()


class RevokeRequest(Schema):
    """RFC 7009."""

    token = fields.String(required=True, metadata={"example": "art_0b6a2f1e9c3d4a5b"})
