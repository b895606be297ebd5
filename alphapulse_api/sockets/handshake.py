"""Validates upgrade requests (RFC 6455, section 4.2.1)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from alphapulse_api.domain.errors import BAD_REQUEST, UPGRADE_REQUIRED, Problem

VERSION: Final = "13"
KEY_BYTES: Final = 16


def check_handshake(request: web.Request) -> None:
    """Check that a request is a valid upgrade request.

    Raises:
        Problem: 400, or 426 for another version of the protocol (RFC 6455, section 4.4).
    """
    headers = request.headers
    if request.version < HttpVersion11:
        raise Problem(
            BAD_REQUEST,
            "A WebSocket needs HTTP/1.1: behind nginx, set proxy_http_version 1.1 and pass the "
            "headers Upgrade and Connection.",
        )
    connection = {option.strip().lower() for option in headers.get(hdrs.CONNECTION, "").split(",")}
    if headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket" or "upgrade" not in connection:
        raise Problem(BAD_REQUEST, "This path serves WebSocket only: send an upgrade request.")
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION, "").strip() != VERSION:
        raise Problem(
            UPGRADE_REQUIRED,
            f"Sec-WebSocket-Version must be {VERSION}.",
            headers={
                hdrs.SEC_WEBSOCKET_VERSION: VERSION,
                hdrs.UPGRADE: "websocket",
                hdrs.CONNECTION: "Upgrade",
            },
        )
    if not _is_key(headers.get(hdrs.SEC_WEBSOCKET_KEY)):
        raise Problem(BAD_REQUEST, f"Sec-WebSocket-Key must be {KEY_BYTES} random bytes in base64.")


def _is_key(text: str | None) -> bool:
    try:
        return text is not None and len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except (binascii.Error, ValueError):
        return False
