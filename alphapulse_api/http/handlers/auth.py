"""Tokens (RFC 6749, RFC 7009) and who is calling."""

from __future__ import annotations

from collections.abc import Mapping
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
        raise later(problem) from None


async def _token(request: web.Request) -> web.StreamResponse:
    form = await read_form(request)
    grant_type = wanted(form, "grant_type")
    if grant_type == "password":
        pair = await log_in(request, form)
    elif grant_type == "refresh_token":
        pair = await renew(request, wanted(form, "refresh_token"))
    else:
        raise unsupported()
    return tokens({**shown(pair), "refresh_token": pair.refresh_token})


async def renew(request: web.Request, refresh_token: str) -> TokenPair:
    """Tokens for a refresh token.

    Raises:
        Problem: invalid_grant.
    """
    backend = request.app[BACKEND]
    subject = backend.accounts.guessed_by(refresh_token, client_key(request))
    async with backend.throttles.secret("refresh", subject) as guess:
        actor = stranger(request, "refresh_token")
        renewed = await backend.accounts.refresh(refresh_token, actor=actor)
        guess.wrong = renewed is None
    if renewed is None:
        raise refusal(
            UNAUTHENTICATED, "invalid_grant", "The refresh token is not valid: log in again."
        )
    return renewed


def unsupported() -> Problem:
    """The problem of another grant type."""
    return refusal(
        BAD_REQUEST, "unsupported_grant_type", "grant_type is password or refresh_token."
    )


def shown(pair: TokenPair) -> dict[str, Any]:
    """What every answer with tokens has (RFC 6749, section 5.1)."""
    return {
        "access_token": pair.access_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
        "role": pair.role,
    }


def tokens(content: Mapping[str, Any]) -> web.Response:
    """An answer that nobody stores."""
    return web.Response(
        body=dumps(content), headers={**NO_STORE, "Content-Type": "application/json"}
    )


async def revoke(request: web.Request) -> web.StreamResponse:
    """End a refresh token and all of its family, or an access token."""
    form = await read_form(request)
    await end(request, wanted(form, "token"))
    return tokens({})


async def end(request: web.Request, token: str) -> None:
    """Revoke a token; one that is not valid is no error (RFC 7009)."""
    backend = request.app[BACKEND]
    try:
        subject = backend.accounts.guessed_by(token, client_key(request))
        async with backend.throttles.secret("revoke", subject) as guess:
            actor = stranger(request, "refresh_token")
            guess.wrong = not await backend.accounts.revoke(token, actor=actor)
    except (RateLimited, Unavailable) as problem:
        raise later(problem) from None


async def log_in(request: web.Request, form: Mapping[str, str]) -> TokenPair:
    """Tokens for the user name and the password of a form.

    Raises:
        Problem: invalid_grant, or invalid_request if one of them is missing.
    """
    username, password = wanted(form, "username"), wanted(form, "password")
    backend = request.app[BACKEND]
    address = client_key(request)
    known = partial(backend.accounts.has_logged_in, username, address)
    async with backend.throttles.login(address, name_key(username), known) as guess:
        actor = stranger(request, "password")
        pair = await backend.accounts.login(username, password, address, actor=actor)
        guess.wrong = pair is None
    if pair is None:
        raise refusal(UNAUTHENTICATED, "invalid_grant", "The user name or password is wrong.")
    return pair


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        Problem: invalid_request.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise refusal(
            UNSUPPORTED_MEDIA, "invalid_request", "Send application/x-www-form-urlencoded."
        )
    try:
        raw = await read_body(request, MAX_FORM_BYTES)
    except Problem as problem:
        raise refusal(problem.kind, "invalid_request", problem.detail, problem.headers) from None
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=32
        )
    except ValueError:
        raise refusal(
            BAD_REQUEST,
            "invalid_request",
            "The form is wrongly encoded.",
        ) from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise refusal(BAD_REQUEST, "invalid_request", "Parameter given more than once.")
    return form


def wanted(form: Mapping[str, str], name: str) -> str:
    """A field that must be there."""
    value = form.get(name)
    if not value:
        raise refusal(BAD_REQUEST, "invalid_request", f"{name} is missing.")
    return value


def later(problem: RateLimited | Unavailable) -> Problem:
    """The same problem as OAuth says it."""
    return refusal(problem.kind, "temporarily_unavailable", problem.detail, problem.headers)


def refusal(
    kind: ProblemType, error: str, detail: str, headers: dict[str, str] | None = None
) -> Problem:
    """A problem with what RFC 6749 (section 5.2) adds to it."""
    headers = {**NO_STORE, **(headers or {})}
    if kind is UNAUTHENTICATED:
        headers["WWW-Authenticate"] = REALM
    return Problem(kind, detail, headers=headers, error=error, error_description=detail)
