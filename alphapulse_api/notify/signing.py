"""Signatures of webhooks by Standard Webhooks 1.0 (github.com/standard-webhooks). No I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from alphapulse_api.config.checks import SECRET_PREFIX


def signed_headers(message_id: str, seconds: int, body: bytes, secret: str) -> Mapping[str, str]:
    """The headers of a webhook.

    Args:
        message_id: the same each time that the message is sent.
        seconds: when it is sent, since the epoch.
        body: exactly the bytes that are sent.
        secret: `whsec_` and the base64 of the key.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    content = f"{message_id}.{seconds}.".encode() + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
