"""Who makes a request, as the audit log has it."""

from __future__ import annotations

from aiohttp import web

from alphapulse_api.domain.deeds import Actor, Auth
from alphapulse_api.http.pipeline.access import REQUEST_ID
from alphapulse_api.http.pipeline.auth import CALLER
from alphapulse_api.http.pipeline.client import client_address


def actor_of(request: web.Request) -> Actor:
    """The caller of an admitted request."""
    caller = request[CALLER]
    return Actor(
        name=caller.username,
        auth=caller.auth,
        role=caller.role,
        key_id=caller.credential if caller.auth == "api_key" else None,
        address=client_address(request),
        request_id=request[REQUEST_ID],
    )


def stranger(request: web.Request, auth: Auth) -> Actor:
    """The sender of a request that has not identified anybody yet."""
    return Actor(None, auth, address=client_address(request), request_id=request[REQUEST_ID])
