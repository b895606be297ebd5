"""If-Match on a PUT: what someone else has changed since is not overwritten."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from alphapulse_api.client import ApiError, DashboardClient
from tests.asking import PORTFOLIO, SIGNAL, Answer, ask, problem
from tests.conftest import Serve, Server

AGENT = {"agent_type": "grid", "metrics": {"a": 1e22, "b": -0.0, "c": 0.1, "d": None}}
RECORDS = {"/api/portfolio": PORTFOLIO, "/api/agents/m1": AGENT}
PATHS = sorted(RECORDS)


def changed(path: str, number: int) -> dict[str, Any]:
    field = "cash" if path == "/api/portfolio" else "state"
    value = str(number) if field == "cash" else ("active", "inactive", "stopped", "error")[number]
    return {**RECORDS[path], field: value}


async def put(server: Server, path: str, caller: Any, number: int, tag: str) -> Answer:
    record, headers = changed(path, number), {"If-Match": tag}
    return await ask(server, "PUT", path, caller, json=record, headers=headers)


async def shown(server: Server, path: str, caller: Any) -> Any:
    """The record as it is stored."""
    return (await ask(server, "GET", path, caller)).json


@pytest.mark.parametrize("path", PATHS)
async def test_a_put_changes_only_the_version_that_its_sender_knows(
    either: Server, path: str
) -> None:
    caller = await either.login()
    first = await ask(either, "PUT", path, caller, json=RECORDS[path])
    tag = first.headers["ETag"]
    second = await put(either, path, caller, 1, f'"other", {tag}')
    assert second.status == 200, second.body
    assert second.headers["ETag"] != tag
    before = await shown(either, path, caller)
    told = either.backend.events.cursor("portfolio")
    for outdated in (tag, '"other"', f"W/{second.headers['ETag']}", '""'):
        answer = await put(either, path, caller, 2, outdated)
        assert problem(answer, 412)["type"] == "urn:alphapulse:problem:precondition-failed"
    assert await shown(either, path, caller) == before
    assert either.backend.events.cursor("portfolio") == told
    for tag in ("*", second.headers["ETag"]):
        # The star has changed the version.
        expected = 200 if tag == "*" else 412
        assert (await put(either, path, caller, 3, tag)).status == expected


@pytest.mark.parametrize("path", PATHS)
async def test_of_concurrent_puts_with_one_tag_exactly_one_is_stored(
    either: Server, path: str
) -> None:
    caller = await either.login()
    tag = (await ask(either, "PUT", path, caller, json=RECORDS[path])).headers["ETag"]
    answers = await asyncio.gather(*(put(either, path, caller, n, tag) for n in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412]
    (stored,) = [answer.json for answer in answers if answer.status == 200]
    known = await shown(either, path, caller)
    assert known.items() >= stored.items()


async def test_of_puts_to_two_servers_exactly_one_is_stored(
    serve: Serve, shared_store: dict[str, Any]
) -> None:
    two = [await serve(**shared_store), await serve(**shared_store)]
    caller = await two[0].login()
    for path in PATHS:
        tag = (await ask(two[0], "PUT", path, caller, json=RECORDS[path])).headers["ETag"]
        answers = await asyncio.gather(*(put(two[n % 2], path, caller, n, tag) for n in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 412, 412, 412]


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_made_where_something_has_to_exist(either: Server, path: str) -> None:
    caller = await either.login()
    for tag in ("*", '"5.1"'):
        problem(await put(either, path, caller, 1, tag), 412)
    problem(await ask(either, "GET", path, caller), 404)


@pytest.mark.parametrize("path", PATHS)
async def test_if_none_match_allows_only_a_new_record_or_another_version(
    either: Server, path: str
) -> None:
    caller = await either.login()

    async def put_unless(tags: str, **more: str) -> Answer:
        headers = {"If-None-Match": tags, **more}
        return await ask(either, "PUT", path, caller, json=RECORDS[path], headers=headers)

    first = await put_unless("*")
    assert first.status == 200, first.body
    tag = first.headers["ETag"]
    before = await shown(either, path, caller)
    for tags in ("*", tag, f'"other", W/{tag}'):
        problem(await put_unless(tags), 412)
    problem(await put_unless('"other"', **{"If-Match": '"another"'}), 412)
    assert await shown(either, path, caller) == before
    problem(await put_unless("5.1"), 400)
    assert (await put_unless('"other"', **{"If-Match": tag})).status == 200


async def test_every_tag_of_the_portfolio_fits_whatever_the_coding(either: Server) -> None:
    caller = await either.login()
    position = {"symbol": "A" * 60, "quantity": "1", "current_price": "1"}
    wide = {**PORTFOLIO, "positions": [{**position, "symbol": f"S{n}"} for n in range(40)]}
    await ask(either, "PUT", "/api/portfolio", caller, json=wide)
    tags = set()
    for query, coding in (("", "gzip"), ("", "identity"), ("?include_history=true", "identity")):
        headers = {"Accept-Encoding": coding}
        for state in ("MISS", "HIT"):
            path = f"/api/portfolio{query}"
            read = await ask(either, "GET", path, caller, headers=headers)
            assert read.headers["X-Cache"] == state
            tags.add(tag := read.headers["ETag"])
            fresh = {**headers, "If-None-Match": tag}
            assert (await ask(either, "GET", path, caller, headers=fresh)).status == 304
    assert len(tags) == 3
    for tag in tags:
        # The same content at the same time is no change.
        same = {**wide, "as_of": read.json["as_of"]}
        answer = await ask(
            either, "PUT", "/api/portfolio", caller, json=same, headers={"If-Match": tag}
        )
        assert answer.status == 200, answer.body
    past = await ask(either, "GET", f"/api/portfolio?as_of={read.json['as_of']}", caller)
    problem(await put(either, "/api/portfolio", caller, 1, past.headers["ETag"]), 412)
    assert (await put(either, "/api/portfolio", caller, 1, tags.pop())).status == 200


async def test_a_signal_changes_the_answer_and_not_the_version_of_an_agent(either: Server) -> None:
    caller, path = await either.login(), "/api/agents/m1"
    await ask(either, "PUT", path, caller, json=AGENT)
    before = await ask(either, "GET", path, caller)
    fresh = {"If-None-Match": before.headers["ETag"]}
    assert (await ask(either, "GET", path, caller, headers=fresh)).status == 304
    await ask(either, "POST", f"{path}/signals", caller, json=SIGNAL)
    after = await ask(either, "GET", path, caller, headers=fresh)
    assert [signal["symbol"] for signal in after.json["signals"]] == [SIGNAL["symbol"]]
    assert (await put(either, path, caller, 1, before.headers["ETag"])).status == 200
    assert (await ask(either, "GET", path, caller, headers=fresh)).json["state"] == "inactive"


async def test_a_late_snapshot_keeps_the_tag_of_the_current_one(server: Server) -> None:
    caller = await server.login()
    tag = (await ask(server, "PUT", "/api/portfolio", caller, json=PORTFOLIO)).headers["ETag"]
    late = {**PORTFOLIO, "as_of": "2026-01-01T00:00:00Z"}
    headers = {"If-Match": tag}
    answer = await ask(server, "PUT", "/api/portfolio", caller, json=late, headers=headers)
    assert (answer.status, answer.headers["ETag"]) == (200, tag)


@pytest.mark.parametrize("condition", ["", "5.1", '"5.1', '"a" b', "*, *", '*, "a"', 'w/"a"'])
async def test_what_is_no_list_of_tags_is_refused(server: Server, condition: str) -> None:
    caller = await server.key("publish")
    for path in PATHS:
        problem(await put(server, path, caller, 1, condition), 400)


async def test_a_hosts_own_store_refuses_what_it_cannot_check(serve: Serve) -> None:
    class Own:
        async def set_portfolio(self, portfolio: Any) -> Any:
            raise AssertionError("stored")

        async def set_agent(self, agent_id: str, update: Any) -> Any:
            raise AssertionError("stored")

    server = await serve({"portfolio": Own(), "agents": Own()})
    caller = await server.key("publish")
    for path in PATHS:
        problem(await put(server, path, caller, 1, "*"), 501)


async def test_the_client_writes_back_only_what_nobody_has_changed(server: Server) -> None:
    key = (await server.key("publish", "view_portfolio", "view_agents"))["X-API-Key"]
    async with DashboardClient(server.url, api_key=key) as api:
        await api.update_portfolio(PORTFOLIO)
        read = await api.portfolio()
        written = await api.update_portfolio({**PORTFOLIO, "cash": "1"}, if_match=read)
        with pytest.raises(ApiError) as refused:
            await api.update_portfolio({**PORTFOLIO, "cash": "2"}, if_match=read)
        assert refused.value.status == 412
        await api.update_portfolio({**PORTFOLIO, "cash": "3"}, if_match=written)
        with pytest.raises(ValueError, match="not a copy"):
            await api.update_portfolio(PORTFOLIO, if_match=dict(read))  # type: ignore[arg-type]
        await api.update_agent("m1", state="active")
        agent = await api.agent("m1")
        await api.update_agent("m1", state="inactive", if_match=agent)
        with pytest.raises(ApiError):
            await api.update_agent("m1", state="stopped", if_match=agent)
        await api.update_agent("m1", state="stopped", if_match="*")
