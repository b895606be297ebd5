"""Who did what: which deeds leave an entry, what it says, and what it never says."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from alphapulse_api.auth.permissions import ANY_CALLER, PUBLIC, PUBLISH, VIEWS
from alphapulse_api.domain.deeds import ACTIONS
from alphapulse_api.http.route_table import ROWS
from tests.asking import ALERT, ask, places, problem
from tests.conftest import PASSWORD, Serve, Server
from tests.http.test_access import CLOSED, concrete, populate
from tests.logins import WRONG, login, refresh, token

# What needs one of these permissions reads, or sends records. Everything else is a deed.
NO_DEED = VIEWS | {PUBLISH, PUBLIC, ANY_CALLER}
TRIALS = {"/api/rules/test"}  # which change nothing
DEEDS = [
    row
    for row in ROWS
    if row.method != "GET" and row.path not in TRIALS and not {row.permission, *row.also} <= NO_DEED
]


async def audit(server: Server, caller: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    """Entries, oldest first."""
    found: list[dict[str, Any]] = await server.json("/api/audit", caller, sort="asc", **query)
    return found


def plain(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry[name] for name in ("actor", "auth", "action", "target_id"))


async def test_every_route_that_is_more_than_reading_and_sending_leaves_an_entry(
    either: Server,
) -> None:
    await populate(either)
    admin = await either.login()
    assert DEEDS
    for row in DEEDS:
        _, status, body = CLOSED[row.method, row.path]
        name = f"{row.method}:{row.path}".translate({ord(c): "." for c in "{}"})
        answer = await ask(
            either, row.method, concrete(row.path), {**admin, "X-Request-ID": name}, json=body
        )
        assert answer.status == status, (row.path, answer.body)
        entries = [e for e in await audit(either, admin) if e["request_id"] == name]
        assert entries, f"{row.method} {row.path} leaves no entry in the audit log"
        assert {(e["actor"], e["role"], e["auth"]) for e in entries} == {("admin", "admin", "jwt")}
        assert {e["address"] for e in entries} == {"127.0.0.1"}


async def test_users_keys_and_logins_leave_entries_without_secrets(either: Server) -> None:
    accounts = either.dashboard.accounts
    secrets = {PASSWORD, WRONG, "another good password", "mistyped-password"}
    await accounts.set_user("ann", "operator", PASSWORD)
    await accounts.set_user("ann", "viewer", "another good password")
    await accounts.set_password("ann", PASSWORD)
    await accounts.set_books("ann", ["main"])
    for scope in ("publish", "webhook"):
        key, text = await accounts.create_api_key(f"bot-{scope}", [scope])
        secrets |= {text, text.split("_")[2], key.secret_hash}
        await accounts.revoke_api_key(key.id)
    pair = (await login(either, "ANN")).json
    assert (await login(either, "ann", WRONG)).status == 401
    assert (await login(either, "mistyped-password", WRONG)).status == 401
    renewed = (await refresh(either, pair["refresh_token"])).json
    third = (await refresh(either, renewed["refresh_token"])).json
    assert (await refresh(either, pair["refresh_token"])).status == 401  # it ends the login
    again = (await login(either, "ann")).json
    for one in (again["access_token"], again["refresh_token"]):
        answer = await ask(either, "POST", "/token/revoke", data={"token": one})
        assert answer.status == 200
    await accounts.disable_user("ann")
    assert (await login(either, "ann")).status == 401
    for made in (pair, renewed, third, again):
        secrets |= {made["access_token"], made["refresh_token"]}
    for (password_hash,) in await either.backend.engine.fetch("SELECT password_hash FROM users"):
        secrets.add(password_hash)

    admin = await either.login("admin", "root")
    entries = await audit(either, admin)
    text = json.dumps(entries)
    assert [secret for secret in secrets if secret in text] == []
    of_ann = [e for e in entries if e["target_id"] == "ann"]
    assert [(plain(e), e["before"], e["after"]) for e in of_ann] == [
        (
            ("host", "system", "user.create", "ann"),
            None,
            {"role": "operator", "disabled": False, "books": None},
        ),
        (
            ("host", "system", "user.update", "ann"),
            {"role": "operator"},
            {"role": "viewer", "password_changed": True},
        ),
        (("host", "system", "user.update", "ann"), {}, {"password_changed": True}),
        (("host", "system", "user.update", "ann"), {"books": None}, {"books": ["main"]}),
        (("ann", "password", "user.login", "ann"), None, None),
        ((None, "password", "user.failed_login", "ann"), None, {"reason": "wrong_password"}),
        ((None, "refresh_token", "user.reuse_token", "ann"), None, None),
        (("ann", "password", "user.login", "ann"), None, None),
        (("ann", "jwt", "user.logout", "ann"), None, None),
        (("ann", "refresh_token", "user.logout", "ann"), None, None),
        (("host", "system", "user.update", "ann"), {"disabled": False}, {"disabled": True}),
        ((None, "password", "user.failed_login", "ann"), None, {"reason": "disabled_user"}),
    ]
    (unknown,) = [e for e in entries if e["after"] == {"reason": "unknown_user"}]
    assert unknown["target_id"] is None
    made, revoked = [e for e in entries if e["target_kind"] == "api_key"][2:]
    assert made["after"] == {
        "name": "bot-webhook", "scopes": ["webhook"], "books": None, "expires_at": None,
    }  # fmt: skip
    assert (revoked["action"], revoked["target_id"]) == ("api_key.revoke", made["target_id"])
    assert revoked["before"] == {"name": "bot-webhook", "revoked_at": None}
    assert revoked["after"]["revoked_at"].endswith("Z")


async def test_a_key_that_changes_a_book_is_named_with_its_id(either: Server) -> None:
    key, text = await either.dashboard.accounts.create_api_key("deployer", {"publish"})
    caller = {"X-API-Key": text}
    for body in ({"mode": "paper"}, {"title": "=1+1"}, {"title": "=1+1"}):
        assert (await ask(either, "PUT", "/api/books/beta", caller, json=body)).status == 200
    admin = await either.login()
    opened, changed = await audit(either, admin, target="beta")
    assert plain(opened) == ("deployer", "api_key", "book.create", "beta")
    assert (opened["key_id"], opened["role"], opened["book"]) == (key.id, "api", "beta")
    assert opened["before"] is None
    assert opened["after"]["mode"] == "paper"
    assert (changed["before"], changed["after"]) == ({"title": None}, {"title": "=1+1"})


async def test_entries_come_in_every_format(server: Server) -> None:
    admin = await server.login("admin", "=HYPERLINK(1)")
    await server.feed.raise_alert({**ALERT, "id": "a1"})
    comments = {"comments": "=cmd|' /C calc'!A0\r\n,\"\x07"}
    await ask(server, "POST", "/api/alerts/a1/acknowledge", admin, json=comments)
    (entry,) = await audit(server, admin, target="a1")
    assert entry["after"]["comments"] == comments["comments"]
    query = "format=csv&spreadsheet=true&target=a1"
    for path in (f"/api/audit?{query}", f"/api/audit/export?{query}"):
        answer = await ask(server, "GET", path, admin)
        (row,) = csv.DictReader(io.StringIO(answer.body.decode()))
        assert row["actor"] == "'=HYPERLINK(1)"
        assert json.loads(row["after"]) == entry["after"]
    lines = (await ask(server, "GET", "/api/audit?format=ndjson&target=a1", admin)).body
    assert json.loads(lines) == entry
    assert (await ask(server, "GET", "/api/audit?format=arrow", admin)).status == 200


async def test_pages_follow_each_other_without_gaps_or_repeats(either: Server) -> None:
    admin = await either.login()
    for number in range(9):
        await either.feed.open_book(f"b{number}", mode="paper")
    path, seen = "/api/audit?action=book.create&limit=4", []
    while path:
        answer = await ask(either, "GET", path, admin)
        seen.append([entry["target_id"] for entry in answer.json])
        link = answer.headers.get("Link", "")
        path = link.partition(">")[0].removeprefix("<")
        await either.feed.open_book(f"late{len(seen)}", mode="paper")
    assert seen == [["b8", "b7", "b6", "b5"], ["b4", "b3", "b2", "b1"], ["b0"]]
    assert "X-Cache" in answer.headers
    assert answer.headers["X-Cache"] == "BYPASS"


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("actor=a%00", "actor"),
        (f"target={'x' * 257}", "target"),
        ("action=user.vanish", "action"),
        ("address=", "address"),
        ("start_time=2026-01-02T00:00:00Z&end_time=2026-01-01T00:00:00Z", "start_time"),
        ("cursor=nonsense", "cursor"),
        ("book=main", "book"),
    ],
)
async def test_bad_questions_are_refused(server: Server, query: str, place: str) -> None:
    answer = await ask(server, "GET", f"/api/audit?{query}", await server.login())
    assert places(answer) == [place]


async def test_nothing_changes_entries(server: Server) -> None:
    admin = await server.login()
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        problem(await ask(server, method, "/api/audit", admin), 405)


async def test_the_address_is_the_one_that_trusted_proxies_state(serve: Serve) -> None:
    server = await serve(trusted_proxies=("127.0.0.1",))
    admin = await server.login()
    form = {"grant_type": "password", "username": "admin", "password": WRONG}
    for address in ("192.0.2.7", "2001:db8::7", "192.0.2.7"):
        await token(server, {"X-Forwarded-For": f"evil, {address}"}, **form)
    failed = await audit(server, admin, action="user.failed_login")
    assert [(e["address"], e["count"]) for e in failed] == [("192.0.2.7", 2), ("2001:db8::7", 1)]
    for spelling in ("2001:db8::7", "2001:0DB8:0::7", "[2001:db8::7]:443"):
        (found,) = await audit(server, admin, address=spelling)
        assert found["address"] == "2001:db8::7"


def test_each_action_is_named_by_its_target_and_a_verb() -> None:
    for action, kind in ACTIONS.items():
        assert action.partition(".")[0] == kind
