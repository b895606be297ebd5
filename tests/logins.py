"""Tokens asked for as an OAuth client does."""

from __future__ import annotations

from typing import Any

from tests.asking import Answer, ask, problem
from tests.conftest import PASSWORD, Server

WRONG = "not the password"


async def token(server: Server, headers: dict[str, str] | None = None, **form: str) -> Answer:
    return await ask(server, "POST", "/token", headers, data=form)


async def login(server: Server, username: str = "admin", password: str = PASSWORD) -> Answer:
    return await token(server, grant_type="password", username=username, password=password)


async def refresh(server: Server, refresh_token: str) -> Answer:
    return await token(server, grant_type="refresh_token", refresh_token=refresh_token)


async def me(server: Server, access_token: str) -> int:
    caller = {"Authorization": f"Bearer {access_token}"}
    return (await ask(server, "GET", "/api/me", caller)).status


def refused(answer: Answer, status: int, error: str) -> dict[str, Any]:
    """The problem, with what RFC 6749 asks for beside it."""
    content = problem(answer, status)
    assert content["error"] == error
    assert content["error_description"] == content["detail"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    return content
