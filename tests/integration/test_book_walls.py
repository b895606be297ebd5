"""A caller who is limited to a book never receives anything of another one, however it asks.

Everything of the other book contains its name, which is no word of anything else. The caller reads
all that it can, by every route and on the socket; the name must be in no answer, header or frame.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alphapulse_api.config import EventsConfig
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.http.route_table import ROWS
from tests.asking import Answer, ask
from tests.books import limited_key, limited_user, open_books
from tests.conftest import Serve, Server
from tests.socket_client import Client, connect
from tests.webhooks import alertmanager

OWN, OTHER, NONE = "own", "zq7b", "zq8b"
NDJSON = {"Content-Type": "application/x-ndjson"}
NUMBERS = itertools.count(1)


class Stage(NamedTuple):
    """A server with two books, whoever may write both, and tokens that publish to one."""

    server: Server
    admin: dict[str, str]
    tokens: dict[str, str]


Write = Callable[[Stage, str, str], Awaitable[Answer]]


def trade(book: str, id_: str) -> dict[str, Any]:
    return {
        "id": id_, "symbol": f"S-{book}", "side": "buy", "quantity": "1", "price": "2.5",
        "strategy": f"strategy-{book}", "agent_id": f"agent-{book}", "book": book,
        "metadata": {"note": book}, "decision_id": f"decision-{book}",
    }  # fmt: skip


def alert(book: str, id_: str) -> dict[str, Any]:
    return {"id": id_, "title": f"alert of {book}", "source": book, "book": book}


def point(book: str) -> dict[str, Any]:
    return {"metric_type": "risk", "name": f"var-{book}", "value": 1, "labels": {"book": book}}


def signal(book: str, id_: str) -> dict[str, Any]:
    return {"id": id_, "symbol": f"S-{book}", "direction": "buy", "book": book, "thesis": book}


def decision(book: str, id_: str) -> dict[str, Any]:
    return {
        "id": id_, "agent_id": f"agent-{book}", "reasoning": book, "book": book,
        "signals": [{**signal(book, f"{id_}-signal"), "agent_id": f"agent-{book}"}],
        "trades": [{**trade(book, f"{id_}-trade"), "decision_id": id_}],
    }  # fmt: skip


def posting(path: str, body: Callable[[str, str], Any], method: str = "POST") -> Write:
    async def write(stage: Stage, book: str, id_: str) -> Answer:
        where = path.format(book=book)
        return await ask(stage.server, method, where, stage.admin, json=body(book, id_))

    return write


def importing(path: str, body: Callable[[str, str], Any]) -> Write:
    async def write(stage: Stage, book: str, id_: str) -> Answer:
        where, data = path.format(book=book), json.dumps(body(book, id_)) + "\n"
        return await ask(stage.server, "POST", where, stage.admin, data=data, headers=NDJSON)

    return write


async def lines(stage: Stage, book: str, id_: str) -> Answer:
    data = f"risk,book={book} line-{book}=1"
    return await ask(stage.server, "POST", "/api/v2/write", stage.admin, data=data)


async def message(stage: Stage, book: str, id_: str) -> Answer:
    path = f"/webhooks/tradingview/{stage.tokens[book]}"
    return await ask(stage.server, "POST", path, json={"message": f"{id_} of {book}"})


async def fired(stage: Stage, book: str, id_: str) -> Answer:
    caller = {"X-API-Key": stage.tokens[book]}
    body = alertmanager({"annotations": {"summary": f"fired of {book}"}, "fingerprint": id_})
    return await ask(stage.server, "POST", "/webhooks/alertmanager", caller, json=body)


async def acknowledged(stage: Stage, book: str, id_: str) -> Answer:
    await ask(stage.server, "POST", "/api/alerts", stage.admin, json=alert(book, id_))
    path = f"/api/alerts/{id_}/acknowledge?book={book}"
    return await ask(stage.server, "POST", path, stage.admin, json={"comments": book})


def when() -> str:
    return datetime.now(UTC).isoformat()


WRITES: dict[str, Write] = {
    "trade": posting("/api/trades", trade),
    "trades": posting("/api/trades/batch", lambda book, id_: [trade(book, id_)]),
    "trade import": importing(
        "/api/trades/import", lambda book, id_: {**trade(book, id_), "executed_at": when()}
    ),
    "alert": posting("/api/alerts", alert),
    "acknowledged": acknowledged,
    "points": posting("/api/metrics", lambda book, _: [point(book)]),
    "lines": lines,
    "portfolio": posting(
        "/api/portfolio",
        lambda book, _: {"total_value": 2, "cash": 1, "book": book, "positions": [
            {"symbol": f"S-{book}", "quantity": 1, "current_price": 1}]},
        "PUT",
    ),
    "signal": posting("/api/agents/agent-{book}/signals", signal),
    "decision": posting("/api/decisions", decision),
    "message": message,
    "fired": fired,
    "agent": posting("/api/agents/agent-{book}", lambda book, _: {"agent_type": book}, "PUT"),
    "sample": posting("/api/system", lambda book, _: {"component": book, "status": "healthy"}),
}  # fmt: skip


@pytest.fixture(params=["memory", "redis"])
async def stage(serve: Serve, request: pytest.FixtureRequest) -> Stage:
    sections = {}
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        sections["events"] = EventsConfig(type="redis", redis_url=url)
    server = await serve(**sections)
    await open_books(server, OWN, OTHER)
    create = server.dashboard.accounts.create_api_key
    tokens = {book: (await create("hook", {"webhook"}, books=[book]))[1] for book in (OWN, OTHER)}
    return Stage(server, await server.login(), tokens)


def paths() -> list[str]:
    """Every GET of a record of a book: of an own id, of one of the other's, of one of both."""
    found = []
    for row in ROWS:
        if row.method != "GET" or not row.path.startswith("/api/"):
            continue
        for agent, record in itertools.product((OWN, OTHER), ("shared", OWN, OTHER)):
            path = row.path.replace("/api/agents/{id}", f"/api/agents/agent-{agent}")
            path = path.replace("{id}", f"id-{record}").replace("{signal_id}", f"id-{record}")
            path = path.replace("{metric_type}", "risk" if record == OWN else "price")
            found.append(path)
            if row.many:
                found += [f"{path}?format=csv", f"{path}?format=ndjson"]
            if "include_history" in row.query_schema.fields:
                found.append(f"{path}?include_history=true")
            if "book" in row.query_schema.fields:
                found.append(f"{path}?book={OWN}")
                if row.many:
                    found.append(f"{path}?book=*")
    return list(dict.fromkeys(found))


def unread(answer: Answer, path: str) -> None:
    """Nothing of the other book is in the answer, beyond what the caller has said itself."""
    text = answer.body.decode(errors="replace") + str(dict(answer.headers))
    for part in path.replace("?", "/").split("/"):
        if OTHER in part:
            text = text.replace(part, "")
    assert OTHER not in text, (path, answer)
    assert answer.status < 500, (path, answer)


@asynccontextmanager
async def watching(stage: Stage, caller: dict[str, str], **more: Any) -> AsyncIterator[Client]:
    async with connect(stage.server, caller) as client:
        include = {"trades": {"include": ["signal", "decision"]}}
        await client.send(type="subscribe", channels=list(CHANNELS), options=include, **more)
        yield client


def frames(messages: list[dict[str, Any]]) -> set[str]:
    """The types of the frames, none of which has anything of the other book."""
    assert OTHER not in json.dumps(messages)
    return {message["type"] for message in messages}


@settings(max_examples=2, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(st.permutations([(name, foreign) for name in WRITES for foreign in (False, True)]))
async def test_nothing_of_another_book_reaches_a_limited_caller(
    stage: Stage, writes: list[tuple[str, bool]]
) -> None:
    server = stage.server
    callers = [await limited_key(server, OWN), await limited_user(server, "operator", OWN)]
    async with watching(stage, callers[0], snapshot=True) as client:
        start = await client.settled()
        cursors = {
            name: ack["cursor"]
            for message in start
            if message["type"] == "subscribed"
            for name, ack in message["channels"].items()
        }
        for name, foreign in writes:
            book = OTHER if foreign else OWN
            for id_ in (f"id-{book}", f"{next(NUMBERS)}-{book}", "id-shared"):
                answer = await WRITES[name](stage, book, id_)
                assert answer.status < 300 or answer.status == 409, (name, answer)
        live = frames([*start, *await client.settled()])
        assert live - {"subscribed"} or all(foreign for _, foreign in writes)
    for more in ({"since": cursors}, {"snapshot": True}):
        async with watching(stage, callers[1], **more) as client:
            frames(await client.settled())
    for caller in callers:
        for path in paths():
            unread(await ask(server, "GET", path, caller), path)


async def test_a_foreign_book_and_its_records_are_as_if_they_were_not_there(stage: Stage) -> None:
    server = stage.server
    for write in WRITES.values():
        await write(stage, OTHER, f"id-{OTHER}")
    for caller in (
        await limited_key(server, OWN, scopes="view publish"),
        await limited_user(server, "operator", OWN),
    ):
        for row in ROWS:
            if not row.path.startswith("/api/") or "/export" in row.path:
                continue
            answers = []
            for book in (OTHER, NONE):
                path = row.path.replace("/api/agents/{id}", f"/api/agents/agent-{book}")
                path = path.replace("{metric_type}", "risk").replace("{id}", f"id-{book}")
                path = path.replace("{signal_id}", f"id-{book}")
                for query in (
                    "",
                    f"?book={book}",
                    f"?label=book:{book}",
                    f"?agent_id=agent-{book}",
                ):
                    body = BODIES.get((row.method, row.path))
                    sent = {} if body is None else {"json": body(book, f"id-{book}")}
                    answers.append(await ask(server, row.method, path + query, caller, **sent))
            for foreign, missing in zip(answers[:4], answers[4:], strict=True):
                assert said(foreign) == said(missing), row.path


def said(answer: Answer) -> tuple[int, Any]:
    """An answer without what is new in each, and with one name for both books."""
    content = json.loads(answer.body.replace(NONE.encode(), OTHER.encode()) or b"null")
    if isinstance(content, dict):
        for name in ("request_id", "updated_at", "created_at", "timestamp", "received_at"):
            content.pop(name, None)
    return answer.status, content


BODIES: dict[tuple[str, str], Callable[[str, str], Any]] = {
    ("POST", "/api/trades"): trade,
    ("POST", "/api/trades/batch"): lambda book, id_: [trade(book, id_)],
    ("POST", "/api/alerts"): alert,
    ("POST", "/api/alerts/batch"): lambda book, id_: [alert(book, id_)],
    ("POST", "/api/alerts/{id}/acknowledge"): lambda *_: {},
    ("POST", "/api/alerts/{id}/resolve"): lambda *_: {},
    ("POST", "/api/metrics"): lambda book, _: point(book),
    ("POST", "/api/metrics/batch"): lambda book, _: [point(book)],
    ("PUT", "/api/portfolio"): lambda book, _: {"total_value": 1, "cash": 1, "book": book},
    ("POST", "/api/agents/{id}/signals"): signal,
    ("POST", "/api/agents/{id}/signals/batch"): lambda book, id_: [signal(book, id_)],
    ("POST", "/api/decisions"): decision,
    ("POST", "/api/decisions/batch"): lambda book, id_: [decision(book, id_)],
}
