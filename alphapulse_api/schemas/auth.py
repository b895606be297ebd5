"""Callers and tokens."""

from __future__ import annotations

from marshmallow import Schema, fields

from alphapulse_api.schemas.fields import Timestamp


class Me(Schema):
    """Who is calling."""

    username = fields.String()
    role = fields.String()
    permissions = fields.List(fields.String())
    auth = fields.String(metadata={"description": "jwt or api_key"})
    expires_at = Timestamp(allow_none=True)


class TokenRequest(Schema):
    """RFC 6749, sections 4.3 and 6."""

    grant_type = fields.String(required=True, metadata={"enum": ["password", "refresh_token"]})
    username = fields.String()
    password = fields.String(metadata={"format": "password"})
    refresh_token = fields.String()


class Token(Schema):
    """RFC 6749, section 5.1."""

    access_token = fields.String()
    token_type = fields.String()
    expires_in = fields.Integer(metadata={"description": "seconds"})
    refresh_token = fields.String()
    role = fields.String()


class RevokeRequest(Schema):
    """RFC 7009."""

    token = fields.String(required=True)
