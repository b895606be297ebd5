"""Access tokens as somebody else who knows the secret would make them: any JSON, any header."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final

SECRET: Final = "a secret of the tests " * 3  # long enough for HS512 too
TYPE: Final = "at+jwt"


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a first token of `admin`, with these changes; None leaves a claim out."""
    instant = int(time.time())
    made = {
        "iss": "alphapulse_api",
        "aud": "alphapulse_api",
        "sub": "admin",
        "iat": instant,
        "exp": instant + 600,
        "jti": secrets.token_hex(8),
        "gen": 1,
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def signed(
    content: Mapping[str, Any] | str | None = None,
    *,
    secret: str = SECRET,
    digest: str = "sha256",
    **header: Any,
) -> str:
    """A signed token; `content` may be JSON text that no encoder would write."""
    text = content if isinstance(content, str) else json.dumps(content or claims())
    head = json.dumps({"alg": "HS256", "typ": TYPE, **header})
    body = f"{_encoded(head.encode())}.{_encoded(text.encode())}"
    signature = hmac.digest(secret.encode(), body.encode(), digest)
    return f"{body}.{_encoded(signature)}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def bearer(token: str) -> dict[str, str]:
    """The headers that present it."""
    return {"Authorization": f"Bearer {token}"}
