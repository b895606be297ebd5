"""Requests that are sent together: each is answered, whatever is wrong with the one behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import CorsConfig
from alphapulse_api.http.server.parsing import MOST_PARTS
from tests.asking import ALERT, Answer, problem
from tests.codings import coded
from tests.commands import one_worker, serving
from tests.conftest import PASSWORD, Serve, Server
from tests.raw import Connection, RawAnswer, connection

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = GET[:-2]
LOGIN = b"grant_type=password&username=admin&password=" + PASSWORD.replace(" ", "+").encode()
FORM = (
    b"POST /token HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
SIZED = FORM + b"Content-Length: %d\r\n\r\n" % len(LOGIN) + LOGIN
CHUNKED = FORM + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-Trailer: a\r\n\r\n" % (
    len(LOGIN),
    LOGIN,
)
H2C = HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
# The status, and what earns it.
WRONG = (
    (400, b"nonsense\r\n\r\n"),
    (400, HEAD + b"Name with spaces: x\r\n\r\n"),
    (400, HEAD + b"Content-Length: five\r\n\r\nabcde"),
    (400, HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde"),
    (400, HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"GET /healthz HTTP/1.1\r\n\r\n"),
    (400, b"GET /healthz HTTP/0.9\r\n\r\n"),
    (400, b"GET /healthz\r\n\r\n"),
    (400, HEAD.replace(b"1.1", b"2.0") + b"\r\n"),
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01"),
    (431, HEAD + b"Cookie: " + b"a" * 40_000 + b"\r\n\r\n"),
    (431, HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n"),
    (431, HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 15_000) for n in range(5)) + b"\r\n"),
    (414, b"GET /healthz?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
)
BODIES = (b"nonsense\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"-1\r\n\r\n", b"0\r\nno trailer\r\n\r\n")


async def statuses(peer: Connection, count: int) -> list[int]:
    return [(await peer.answer()).status for _ in range(count)]


def refusal(answer: RawAnswer, status: int) -> dict[str, Any]:
    return problem(Answer(answer.status, answer.headers, answer.body), status)


@pytest.mark.parametrize(("status", "wrong"), WRONG)
async def test_what_came_before_is_answered_first(
    server: Server, status: int, wrong: bytes
) -> None:
    async with connection(server.url) as peer:
        await peer.send(GET + SIZED + CHUNKED + H2C + b"\r\n" + GET + wrong)
        assert await statuses(peer, 5) == [200] * 5
        refusal(await peer.answer(), status)
        assert await peer.rest() == b""


async def test_a_record_before_a_malformed_head_is_stored_once(server: Server) -> None:
    caller = await server.key("publish")
    body = json.dumps(ALERT).encode()
    post = (
        b"POST /api/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"X-API-Key: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (caller["X-API-Key"].encode(), len(body), body)
    )
    for _, wrong in WRONG:
        async with connection(server.url) as peer:
            await peer.send(post + wrong)
            assert (await peer.answer()).status == 201
            await peer.answer()
            assert await peer.rest() == b""
    rows = await server.json("/api/alerts", await server.login())
    assert [row["title"] for row in rows] == [ALERT["title"]] * len(WRONG)


@pytest.mark.parametrize("body", BODIES)
async def test_a_malformed_body_is_refused_behind_the_answers_before_it(
    server: Server, body: bytes
) -> None:
    async with connection(server.url) as peer:
        await peer.send(GET + GET + FORM + b"Transfer-Encoding: chunked\r\n\r\n" + body + GET)
        assert await statuses(peer, 2) == [200, 200]
        answer = await peer.answer()
        refusal(answer, 400)
        assert answer.headers["Connection"] == "close"
        assert await peer.rest() == b""


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\na=bcd",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\na=bcd\r\n0\r\n\r\n",
    ],
)
async def test_behind_a_body_that_cannot_be_inflated_the_connection_goes_on(
    server: Server, body: bytes
) -> None:
    async with connection(server.url) as peer:
        await peer.send(GET + FORM + b"Content-Encoding: gzip\r\n" + body + GET)
        assert await statuses(peer, 3) == [200, 400, 200]


async def test_a_body_that_is_announced_too_large_is_refused_in_its_turn(server: Server) -> None:
    async with connection(server.url) as peer:
        await peer.send(GET + SIZED + FORM + b"Content-Length: 99999999\r\n\r\n")
        assert await statuses(peer, 3) == [200, 200, 413]


async def test_nothing_is_answered_behind_the_last_request(server: Server) -> None:
    last = HEAD + b"Connection: close\r\n\r\n"
    old = last.replace(b"1.1", b"1.0")
    for end in (last, old, old.replace(b"Connection: close\r\n", b"")):
        for behind in (GET, SIZED, b"nonsense\r\n\r\n", b"\r\n"):
            async with connection(server.url) as peer:
                await peer.send(GET + end + behind)
                assert await statuses(peer, 2) == [200, 200]
                assert await peer.rest() == b""


@pytest.mark.parametrize("count", [29, 30, 31, 32, 33, 100])
async def test_a_long_pipeline_is_answered_whole(server: Server, count: int) -> None:
    async with connection(server.url) as peer:
        await peer.send((GET + H2C) * count + b"nonsense\r\n\r\n")
        assert await statuses(peer, 2 * count) == [200] * 2 * count
        refusal(await peer.answer(), 400)
        assert await peer.rest() == b""


@pytest.mark.parametrize("chunk", [b"a" * 300_000, b"\r\n" * 150_000])
async def test_a_large_body_is_followed_by_its_next_request(server: Server, chunk: bytes) -> None:
    head = HEAD.replace(b"GET /healthz", b"POST /api/alerts")
    sized = head + b"Content-Length: %d\r\n\r\n%b" % (len(chunk), chunk)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        len(chunk), chunk,
    )  # fmt: skip
    async with connection(server.url) as peer:
        await peer.send(sized + GET + chunked + GET + chunked + b"nonsense\r\n\r\n")
        assert await statuses(peer, 5) == [401, 200, 401, 200, 401]
        refusal(await peer.answer(), 400)


async def test_a_body_full_of_empty_lines_is_taken_in_turns(server: Server) -> None:
    caller = await server.key("publish", "view_alerts")
    credentials = "".join(f"{name}: {value}\r\n" for name, value in caller.items()).encode()
    head = (
        b"POST /api/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n" + credentials + b"\r\n"
    )
    record = json.dumps({**ALERT, "id": "spaced"}).encode()
    empty = b"4\r\n\r\n\r\n\r\n" * (3 * MOST_PARTS)
    body = empty + b"%x\r\n%b\r\n" % (len(record), record) + empty + b"0\r\n\r\n"
    async with connection(server.url) as peer:
        await peer.send(head + body + GET + b"nonsense\r\n\r\n")
        assert await statuses(peer, 3) == [201, 200, 400]
    assert (await server.json("/api/alerts/spaced", caller))["id"] == "spaced"


async def test_it_is_the_same_wherever_the_data_is_cut(server: Server) -> None:
    data = GET + H2C + CHUNKED + b"\r\n" + GET + b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n"
    end = data.index(GET, len(GET))  # of the body in chunks, and of the empty line behind it
    for cut in (*range(1, len(data), 11), *range(end - 25, end)):
        async with connection(server.url) as peer:
            await peer.send(data[:cut])
            if cut > len(GET):  # the server has read the first part
                assert (await peer.answer()).status == 200
            await peer.send(data[cut:])
            assert await statuses(peer, 3 + (cut <= len(GET))) == [200] * (3 + (cut <= len(GET)))
            refusal(await peer.answer(), 400)
            assert await peer.rest() == b""


async def test_a_refusal_has_the_request_id_of_its_own_head(serve: Serve) -> None:
    page = "https://dashboard.example.com"
    server = await serve(cors=CorsConfig(allowed_origins=(page,)))
    first = HEAD + b"X-Request-ID: first\r\nOrigin: " + page.encode() + b"\r\n\r\n"
    async with connection(server.url) as peer:
        await peer.send(first + HEAD + b"X-Request-ID: second\r\nName : x\r\n\r\n")
        assert (await peer.answer()).headers["X-Request-ID"] == "first"
        answer = await peer.answer()
        refusal(answer, 400)
        assert answer.headers["X-Request-ID"] == "second"
        assert "Access-Control-Allow-Origin" not in answer.headers


async def _everywhere(url: str) -> None:
    form = FORM + b"Content-Length: 12\r\n\r\ngrant_type=x"
    for status, wrong in WRONG:
        async with connection(url) as peer:
            await peer.send(GET + form + wrong)
            assert await statuses(peer, 2) == [200, 400]
            refusal(await peer.answer(), status)
            assert await peer.rest() == b""
    cut, _ = coded(b"grant_type=x", "gzip")
    async with connection(url) as peer:
        head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(cut)
        await peer.send(FORM + head + cut)
        assert "cut short" in refusal(await peer.answer(), 400)["detail"]


async def test_serve_answers_the_same(tmp_path: Path) -> None:
    async with serving(tmp_path) as process:
        await _everywhere(process.url)


async def test_gunicorn_answers_the_same(tmp_path: Path) -> None:
    async with one_worker(tmp_path) as url:
        await _everywhere(url)
