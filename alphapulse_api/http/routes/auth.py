"""Tokens, and who the caller is."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import ANY_CALLER, PUBLIC
from alphapulse_api.http.handlers import auth
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.alerts import Empty
from alphapulse_api.schemas.auth import Me, RevokeRequest, Token, TokenRequest

# fmt: off
ROWS: Final = (
    Row("POST", "/token", PUBLIC, raw=auth.token, form=TokenRequest, answer=Token,
        tag="auth", operation="createToken", failures=(401,)),
    Row("POST", "/token/revoke", PUBLIC, raw=auth.revoke, form=RevokeRequest,
        answer=Empty, tag="auth", operation="revokeToken"),
    Row("GET", "/api/me", ANY_CALLER, auth.me, answer=Me, tag="auth", operation="getMe"),
)
# fmt: on
