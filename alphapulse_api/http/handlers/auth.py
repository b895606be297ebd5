"""Tokens (RFC 6749, RFC 7009) and who is calling."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from alphapulse_api.auth.logins import TokenPair
from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.errors import (
    BAD_REQUEST,
    UNAUTHENTICATED,
    UNSUPPORTED_MEDIA,
    Problem,
    ProblemType,
    RateLimited,
    Unavailable,
)
from alphapulse_api.domain.names import name_key
from alphapulse_api.http.body import read_body
from alphapulse_api.http.pipeline.actor import stranger
from alphapulse_api.http.pipeline.auth import REALM
from alphapulse_api.http.pipeline.client import client_key
from alphapulse_api.http.route import Call

MAX_FORM_BYTES: Final = 16 * 1024
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def me(call: Call) -> Any:
    """The caller, its permissions and its books."""
    caller = call.caller
    return {
        "username": caller.username,
        "role": caller.role,
        "permissions": sorted(caller.permissions),
        "auth": caller.auth,
        "books": caller.books,
        "home": caller.home,
        "expires_at": caller.expires_at,
    }


async def token(request: web.Request) -> web.StreamResponse:
    """Tokens for a user name and password, or for a refresh token."""
    try:
        return await _token(request)
    except (RateLimited, Unavailable) as problem:
        raise _later(problem) from None


async def _token(request: web.Request) -> web.StreamResponse:
    form = await _form(request)
    grant_type = _wanted(form, "grant_type")
    if grant_type == "password":
        pair = await _login(request, _wanted(form, "username"), _wanted(form, "password"))
    elif grant_type == "refresh_token":
        backend = request.app[BACKEND]
        refresh_token = _wanted(form, "refresh_token")
        subject = backend.accounts.guessed_by(refresh_token, client_key(request))
        async with backend.throttles.secret("refresh", subject) as guess:
            actor = stranger(request, "refresh_token")
            renewed = await backend.accounts.refresh(refresh_token, actor=actor)
            guess.wrong = renewed is None
        if renewed is None:
            raise _refusal(
                UNAUTHENTICATED, "invalid_grant", "The refresh token is not valid: log in again."
            )
        pair = renewed
    else:
        raise _refusal(
            BAD_REQUEST, "unsupported_grant_type", "grant_type is password or refresh_token."
        )
    content = {
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "role": pair.role,
    }
    return web.Response(
        body=dumps(content), headers={**NO_STORE, "Content-Type": "application/json"}
    )


async def revoke(request: web.Request) -> web.StreamResponse:
    """End a refresh token and all of its family, or an access token."""
    backend = request.app[BACKEND]
    form = await _form(request)
    token = _wanted(form, "token")
    try:
        subject = backend.accounts.guessed_by(token, client_key(request))
        async with backend.throttles.secret("revoke", subject) as guess:
            actor = stranger(request, "refresh_token")
            guess.wrong = not await backend.accounts.revoke(token, actor=actor)
    except (RateLimited, Unavailable) as problem:
        raise _later(problem) from None
    return web.Response(body=b"{}", headers={**NO_STORE, "Content-Type": "application/json"})


async def _login(request: web.Request, username: str, password: str) -> TokenPair:
    backend = request.app[BACKEND]
    address = client_key(request)
    known = partial(backend.accounts.has_logged_in, username, address)
    async with backend.throttles.login(address, name_key(username), known) as guess:
        actor = stranger(request, "password")
        pair = await backend.accounts.login(username, password, address, actor=actor)
        guess.wrong = pair is None
    if pair is None:
        raise _refusal(UNAUTHENTICATED, "invalid_grant", "The user name or password is wrong.")
    return pair


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded":
        raise _refusal(
            UNSUPPORTED_MEDIA, "invalid_request", "Send application/x-www-form-urlencoded."
        )
    try:
        raw = await read_body(request, MAX_FORM_BYTES)
    except Problem as problem:
        raise _refusal(problem.kind, "invalid_request", problem.detail, problem.headers) from None
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError:
        raise _refusal(
            BAD_REQUEST,
            "invalid_request",
            "The form is wrongly encoded.",
        ) from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _refusal(BAD_REQUEST, "invalid_request", "Parameter given more than once.")
    return form


def _wanted(form: dict[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise _refusal(BAD_REQUEST, "invalid_request", f"{name} is missing.")
    return value


def _later(problem: RateLimited | Unavailable) -> Problem:
    return _refusal(problem.kind, "temporarily_unavailable", problem.detail, problem.headers)


def _refusal(
    kind: ProblemType, error: str, detail: str, headers: dict[str, str] | None = None
) -> Problem:
    headers = {**NO_STORE, **(headers or {})}
    if kind is UNAUTHENTICATED:
        headers["WWW-Authenticate"] = REALM
    return Problem(kind, detail, headers=headers, error=error, error_description=detail)
