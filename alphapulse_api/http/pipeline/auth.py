"""Identifies the caller, and checks its permission: only rows of the route table are callable."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from alphapulse_api.auth.api_keys import API_KEY, WEBHOOK_TOKEN
from alphapulse_api.auth.authenticator import BadCredentials, ExpiredCredentials
from alphapulse_api.auth.caller import Caller
from alphapulse_api.auth.permissions import ANY_CALLER, MANAGE, PUBLIC
from alphapulse_api.backend import BACKEND, Backend
from alphapulse_api.domain.errors import (
    BAD_REQUEST,
    EXPIRED_CHALLENGE,
    FORBIDDEN,
    UNAUTHENTICATED,
    Problem,
)
from alphapulse_api.domain.series_limits import OWNER
from alphapulse_api.http.pipeline.client import client_key
from alphapulse_api.http.pipeline.headers import HEADERS, X_API_KEY
from alphapulse_api.http.pipeline.rate_limit import count_request
from alphapulse_api.http.route import ROWS, TOKEN, Row

CALLER: Final[web.RequestKey[Caller]] = web.RequestKey("caller", Caller)
OURS: Final = (f"{API_KEY}_", f"{WEBHOOK_TOKEN}_")  # prefixes of the keys made here
REALM: Final = 'Bearer realm="alphapulse_api"'  # RFC 6750, section 3

FOR_ALL_BOOKS: Final = (
    "A caller who is limited to books may not do this: it is about every book, or about what "
    "belongs to none."
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the caller, count the request, check the row's permission.

    The order makes refused requests count too. It is one middleware, because each middleware costs
    every request a coroutine.
    """
    match, app = request.match_info, request.app
    row = app[ROWS].get(match.route)
    if row is None:
        if match.http_exception is None and not _is_preflight(request):
            if allowed := _methods(request):
                raise web.HTTPMethodNotAllowed(request.method, allowed)
            raise Problem(FORBIDDEN, "This route has no permission and cannot be called.")
        return await handler(request)
    needed = row.permission
    if needed != PUBLIC:
        backend = app[BACKEND]
        caller = await identify(request, backend, row)
        if caller is None:
            raise Problem(
                UNAUTHENTICATED,
                "Send Authorization: Bearer <token> or X-API-Key: <key>.",
                headers={"WWW-Authenticate": REALM},
            )
        request[CALLER] = caller
        # One task serves all requests of a connection, so it is set for each.
        OWNER.set(caller.credential if caller.auth == "api_key" else None)
        if backend.limiter is not None:
            await count_request(backend.limiter, caller, request[HEADERS])
        for permission in (needed, *row.also):
            if permission != ANY_CALLER and permission not in caller.permissions:
                raise Problem(FORBIDDEN, f"This needs the permission {permission}.")
        if caller.books is not None and (row.for_all_books or needed == MANAGE):
            raise Problem(FORBIDDEN, FOR_ALL_BOOKS)
    return await handler(request)


async def identify(request: web.Request, backend: Backend, row: Row | None = None) -> Caller | None:
    """The caller that the headers or a webhook's path identify; None without credentials.

    Args:
        request: the request.
        backend: knows the callers.
        row: the route, if clients of other systems may call it: they send an API key in an
            Authorization header.

    Raises:
        Problem: 401 for invalid credentials, 400 for more than one.
    """
    foreign = row is not None and (row.webhook or bool(row.protocol))
    webhook = row is not None and row.webhook
    in_path = request.match_info.get(TOKEN) if webhook else None
    with_key = X_API_KEY in request.headers
    given = [
        value
        for value in request.headers.getall(hdrs.AUTHORIZATION, ())
        if not (_is_of_a_proxy(value, foreign=foreign) or (with_key and _is_empty(value)))
    ]
    if len(given) + len(request.headers.getall(X_API_KEY, ())) + (in_path is not None) > 1:
        # A proxy, a log and this server might each pick a different one.
        detail = "Send one Authorization header or one X-API-Key header"
        raise Problem(BAD_REQUEST, f"{detail}, and none beside a token in the path.")
    authorization = given[0] if given else None
    if authorization is None and in_path is None and not with_key:
        authorization = request.headers.get(hdrs.AUTHORIZATION)  # refused below
    authenticator = backend.authenticator
    try:
        if in_path is not None:
            if not in_path.startswith(f"{WEBHOOK_TOKEN}_"):
                raise BadCredentials("The path must end with a webhook token.")
            return await authenticator.api_key(in_path, client_key(request), webhook=True)
        if authorization is not None:
            if foreign and (key := key_of(authorization)) is not None:
                return await authenticator.api_key(key, client_key(request), webhook=webhook)
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise BadCredentials("The Authorization header must say Bearer <token>.")
            return await authenticator.bearer(token.strip())
        api_key = request.headers.get(X_API_KEY)
        if api_key is not None:
            return await authenticator.api_key(api_key, client_key(request), webhook=webhook)
    except BadCredentials as refusal:
        raise _refusal(refusal) from None
    return None


def check_again(backend: Backend, caller: Caller) -> None:
    """Check that the caller of a long request may still call, with the same rights.

    Raises:
        Problem: 401 if not.
    """
    try:
        backend.authenticator.check(caller)
    except BadCredentials as refusal:
        raise _refusal(refusal) from None


def _refusal(refusal: BadCredentials) -> Problem:
    challenge = f'{REALM}, error="invalid_token"'
    if isinstance(refusal, ExpiredCredentials):
        challenge = f"{challenge}, {EXPIRED_CHALLENGE}"
    return Problem(UNAUTHENTICATED, str(refusal), headers={"WWW-Authenticate": challenge})


def _is_of_a_proxy(authorization: str, *, foreign: bool) -> bool:
    """Whether a header has the password for a proxy in front, which passed it on.

    Clients of other systems send a key of ours in the same way.
    """
    if authorization[:6].lower() != "basic ":
        return False
    return not (foreign and (key_of(authorization) or "").startswith(OURS))


def _is_empty(authorization: str) -> bool:
    """Whether a header has no token, as some generated clients send it beside an API key."""
    return authorization.strip().lower() == "bearer"


def key_of(authorization: str) -> str | None:
    """The API key in `Bearer apk_…`, `Token [user:]apk_…` or a Basic password; else None."""
    scheme, _, value = authorization.partition(" ")
    match scheme.lower(), value.strip():
        case "bearer", key if key.startswith(OURS):
            return key
        case "token", key:
            return key.rpartition(":")[2]
        case "basic", text:
            try:
                return base64.b64decode(text, validate=True).decode().partition(":")[2]
            except ValueError:
                return ""
    return None


def _is_preflight(request: web.Request) -> bool:
    # Only for resources of ours: a host's own route for OPTIONS is protected like any other.
    return (
        hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        and bool(_methods(request))
    )


def _methods(request: web.Request) -> set[str]:
    """The methods of our own resource that an OPTIONS request asks about; else none."""
    resource = request.match_info.route.resource
    if request.method != hdrs.METH_OPTIONS or resource is None:
        return set()
    return {route.method for route in resource if route in request.app[ROWS]}
