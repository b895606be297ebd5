"""Logins of the console, whose refresh token is in a cookie that no script can read.

The cookie is HttpOnly and SameSite=Strict, and only these routes read it. It has no path of its
own: browsers then bind it to the folder of the address that they asked (RFC 6265, section 5.1.4),
which is `/token` under whatever prefix a proxy adds. Cookies do not know ports, so its name has the
port of the page: servers on two ports of one host keep their logins apart.

Other pages of the same site (another port, another subdomain) are sent along by SameSite. So only
pages of the same origin may use these routes.
"""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from alphapulse_api.auth.logins import TokenPair
from alphapulse_api.domain.errors import (
    FORBIDDEN,
    UNAUTHENTICATED,
    Problem,
    RateLimited,
    Unavailable,
)
from alphapulse_api.domain.hosts import Origin, parse_host, parse_origin
from alphapulse_api.http.handlers.auth import (
    end,
    later,
    log_in,
    read_form,
    refusal,
    renew,
    shown,
    tokens,
    unsupported,
    wanted,
)

_FETCH_SITE: Final = "Sec-Fetch-Site"


async def open_session(request: web.Request) -> web.StreamResponse:
    """Tokens for a user name and password, or for the refresh token in the cookie."""
    origin = _own_page(request)
    form = await read_form(request)
    grant_type = wanted(form, "grant_type")
    try:
        if grant_type == "password":
            pair = await log_in(request, form)
        elif grant_type == "refresh_token":
            pair = await renew(request, _cookie(request, origin))
        else:
            raise unsupported()
    except (RateLimited, Unavailable) as problem:
        raise later(problem) from None
    return _kept(pair, origin)


async def end_session(request: web.Request) -> web.StreamResponse:
    """End the login of the cookie: its tokens in all tabs, and its sockets."""
    origin = _own_page(request)
    if token := request.cookies.get(_name(origin)):
        await end(request, token)
    return _keeping(tokens({}), origin, "", "; Max-Age=0")


def _kept(pair: TokenPair, origin: Origin) -> web.Response:
    """The answer, which sets a cookie for as long as the browser runs."""
    return _keeping(tokens(shown(pair)), origin, pair.refresh_token)


def _keeping(answer: web.Response, origin: Origin, token: str, more: str = "") -> web.Response:
    # By hand: aiohttp's set_cookie always states a path.
    secure = "; Secure" if origin.scheme == "https" else ""
    answer.headers[hdrs.SET_COOKIE] = (
        f"{_name(origin)}={token}; HttpOnly; SameSite=Strict{secure}{more}"
    )
    return answer


def _cookie(request: web.Request, origin: Origin) -> str:
    token = request.cookies.get(_name(origin))
    if not token:
        raise refusal(UNAUTHENTICATED, "invalid_grant", "There is no session: log in.")
    return token


def _name(origin: Origin) -> str:
    return f"alphapulse_session_{origin.port}"


def _own_page(request: web.Request) -> Origin:
    """The origin of the page that asks, which must be this server's.

    Browsers that say so are believed, since no script can set that header; it is right behind a
    proxy that hides the Host, too.

    Raises:
        Problem: 403.
    """
    stated = request.headers.getall(hdrs.ORIGIN, [])
    origin, host = parse_origin(stated[0]) if len(stated) == 1 else None, parse_host(request.host)
    site = request.headers.get(_FETCH_SITE)
    own = origin is not None and host is not None and origin.is_of(host)
    if origin is None or not (site == "same-origin" if site is not None else own):
        raise Problem(FORBIDDEN, "Only pages of this server may use sessions; others use /token.")
    return origin
