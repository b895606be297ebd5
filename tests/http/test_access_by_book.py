"""Who may call what, of which book: the whole route table by role and by book."""

from __future__ import annotations

from typing import Any

import pytest

from alphapulse_api.config import AuthConfig
from alphapulse_api.http.route import Row
from alphapulse_api.http.route_table import ROWS
from tests.asking import ask, problem
from tests.books import limited_key, limited_user, open_books
from tests.conftest import Serve, Server
from tests.forging import SECRET
from tests.http.test_access import CLOSED, concrete, populate, refused

# What is about every book, or changes what belongs to none, is refused to whoever is limited.
FOR_ALL_BOOKS = {
    ("GET", "/metrics"),
    ("GET", "/api/audit"),
    ("GET", "/api/audit/export"),
    ("GET", "/api/commands"),
    ("GET", "/api/commands/export"),
    ("GET", "/api/commands/{id}"),
    ("POST", "/api/commands/halt"),
    ("POST", "/api/agents/{id}/commands"),
    ("GET", "/api/notifications"),
    ("GET", "/api/notifications/export"),
    ("GET", "/api/silences"),
    ("GET", "/api/silences/{id}"),
    ("POST", "/api/silences"),
    ("DELETE", "/api/silences/{id}"),
    ("GET", "/api/rules"),
    ("POST", "/api/rules"),
    ("POST", "/api/rules/test"),
    ("GET", "/api/rules/{id}"),
    ("PUT", "/api/rules/{id}"),
    ("DELETE", "/api/rules/{id}"),
    ("PUT", "/api/agents/{id}"),
    ("PUT", "/api/books/{id}"),
    ("POST", "/api/system"),
    ("POST", "/api/system/batch"),
    ("POST", "/api/system/import"),
    ("POST", "/webhooks/freqtrade"),  # the state of an agent
}
NOT_SHOWN = {("GET", "/api/agents/{id}")}  # an agent belongs to no book
ROLES = {"operator": "operator", "viewer": "viewer", "reader": "view", "publisher": "view publish"}
BY_PLACE = {(row.method, row.path): row for row in ROWS}


async def limited(server: Server, role: str, *books: str) -> dict[str, str]:
    if role in ("operator", "viewer"):
        return await limited_user(server, role, *books)
    return await limited_key(server, *books, scopes=ROLES[role])


def expected(row: Row, role: str) -> int:
    """What a caller of that role gets that is limited to the book of the records."""
    allowed, status, _ = CLOSED[row.method, row.path]
    if role not in allowed or (row.method, row.path) in FOR_ALL_BOOKS:
        return 403
    return 404 if (row.method, row.path) in NOT_SHOWN else status


def place(path: str) -> str:
    return "/api/books/main" if path == "/api/books/{id}" else concrete(path)


def lists(row: Row) -> bool:
    return row.method == "GET" and (row.many or row.path in ("/api/me", "/api/portfolios"))


@pytest.mark.parametrize("role", ROLES)
async def test_a_limited_caller_gets_its_books_and_nothing_else(serve: Serve, role: str) -> None:
    server = await serve(auth=AuthConfig(jwt_secret=SECRET))
    await populate(server)
    await open_books(server, "beta", "gamma")
    own, other = await limited(server, role, "main"), await limited(server, role, "beta")
    for (method, path), (_, _, body) in CLOSED.items():
        row = BY_PLACE[method, path]
        status = expected(row, role)
        sent: dict[str, Any] = {} if body is None else {"json": body}
        answer = await ask(server, method, place(path), own, **sent)
        assert answer.status == status, (method, path, answer.body)
        if status == 403:
            refused(answer, path, 403)
        if method != "GET" or status == 403:
            continue
        # The caller of another book finds none of the records, and nobody finds a foreign book.
        answer = await ask(server, method, place(path), other)
        missing = 200 if lists(row) and "signals" not in path else 404
        assert answer.status == missing, (path, answer.body)
        if "book" in row.query_schema.fields:
            for book, caller in (("gamma", own), ("beta", own), ("nope", own), ("main", other)):
                problem(await ask(server, method, f"{place(path)}?book={book}", caller), 404)


def test_every_route_with_books_is_covered() -> None:
    assert FOR_ALL_BOOKS - {("POST", "/webhooks/freqtrade")} == {
        (row.method, row.path) for row in ROWS if row.for_all_books
    }
