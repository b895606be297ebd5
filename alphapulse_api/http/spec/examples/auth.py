"""Tokens and callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

REQUESTS: Final[Mapping[str, Any]] = {
    "TokenRequest": {
        "grant_type": "password",
        "username": "ann",
        "password": "correct horse battery staple",
    },
    "RevokeRequest": {"token": "art_0b6a2f1e9c3d4a5b"},
}
ANSWERS: Final[Mapping[str, Any]] = {
    "Token": {
        "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl",
        "token_type": "Bearer",
        "expires_in": 3600,
        "refresh_token": "art_0b6a2f1e9c3d4a5b",
        "role": "viewer",
    },
    "Empty": {},
    "Me": {
        "username": "ann",
        "role": "viewer",
        "permissions": ["view_trades"],
        "auth": "jwt",
        "books": ["beta"],
        "home": "beta",
        "expires_at": "2026-01-31T13:00:00.000000Z",
    },
}
