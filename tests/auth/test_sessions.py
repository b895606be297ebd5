"""Logins whose refresh token is in a cookie: what pages of this server may do, and others not."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie

import pytest

from alphapulse_api.config import AuthConfig
from tests.asking import Answer, ask, problem
from tests.conftest import PASSWORD, Serve, Server
from tests.logins import WRONG, me, refused

PATH = "/token/session"
LOGIN = {"grant_type": "password", "username": "admin", "password": PASSWORD}
RENEWAL = {"grant_type": "refresh_token"}


async def session(
    server: Server, form: dict[str, str], cookie: str = "", method: str = "POST", **headers: str
) -> Answer:
    """Ask as a page of the server does; further headers by name, with _ for -."""
    own = {"Origin": server.url, **({"Cookie": cookie} if cookie else {})}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(server, method, PATH, {**own, **given}, data=form)


def kept(answer: Answer) -> Morsel[str]:
    """The cookie that an answer sets."""
    (cookie,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return cookie


def sent(answer: Answer) -> str:
    """The header that sends it back."""
    cookie = kept(answer)
    return f"{cookie.key}={cookie.value}"


async def test_the_refresh_token_is_where_no_script_and_no_other_site_gets_it(
    server: Server,
) -> None:
    answer = await session(server, LOGIN)
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "role"}
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = kept(answer)
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "", "browsers take the folder of the address: /token"
    assert not cookie["max-age"], "it ends with the browser"
    assert not cookie["secure"], "over http it would be lost"
    assert cookie.key == f"alphapulse_session_{server.url.rpartition(':')[2]}"
    secure = await session(server, LOGIN, Origin="https://127.0.0.1", Host="127.0.0.1")
    assert kept(secure)["secure"] is True
    assert await me(server, answer.json["access_token"]) == 200


async def test_a_session_is_renewed_and_ended(server: Server) -> None:
    first = await session(server, LOGIN)
    second = await session(server, RENEWAL, sent(first))
    assert second.status == 200
    assert kept(second).value != kept(first).value
    gone = await session(server, {}, sent(second), "DELETE")
    assert (gone.status, kept(gone).value, kept(gone)["max-age"]) == (200, "", "0")
    for answer in (first, second):
        assert await me(server, answer.json["access_token"]) == 401
    refused(await session(server, RENEWAL, sent(second)), 401, "invalid_grant")
    assert (await session(server, {}, "", "DELETE")).status == 200, "a repeat changes nothing"


async def test_a_stolen_cookie_ends_the_session(serve: Serve) -> None:
    server = await serve(auth=AuthConfig(refresh_grace=0))
    first = await session(server, LOGIN)
    second = await session(server, RENEWAL, sent(first))
    refused(await session(server, RENEWAL, sent(first)), 401, "invalid_grant")
    refused(await session(server, RENEWAL, sent(second)), 401, "invalid_grant")


async def test_without_a_session_or_with_a_wrong_password_there_are_no_tokens(
    server: Server,
) -> None:
    refused(await session(server, RENEWAL), 401, "invalid_grant")
    answer = await session(server, {**LOGIN, "password": WRONG})
    refused(answer, 401, "invalid_grant")
    assert "Set-Cookie" not in answer.headers
    refused(await session(server, {"grant_type": "x"}), 400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},  # of the same site, for SameSite
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
async def test_pages_of_others_neither_use_nor_end_a_session(
    server: Server, headers: dict[str, str]
) -> None:
    first = await session(server, LOGIN)
    for form, method in ((RENEWAL, "POST"), (LOGIN, "POST"), ({}, "DELETE")):
        answer = await session(server, form, sent(first), method, **headers)
        problem(answer, 403)
        assert "Set-Cookie" not in answer.headers
    assert (await session(server, RENEWAL, sent(first))).status == 200


async def test_a_browser_that_vouches_for_the_page_is_believed_behind_a_proxy(
    server: Server,
) -> None:
    answer = await session(
        server, LOGIN, Origin="http://dashboard.example:9000", Sec_Fetch_Site="same-origin"
    )
    assert answer.status == 200
    assert kept(answer).key == "alphapulse_session_9000"
