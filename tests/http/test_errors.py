"""What a caller sees of failures: one shape for all of them, and an id to ask about."""

from __future__ import annotations

import asyncio
import gzip
import logging
from typing import Any

import aiohttp
import pytest
from yarl import URL

from alphapulse_api.config import RateLimitConfig
from tests.asking import ALERT, POINT, Answer, ask, places, problem
from tests.conftest import Serve, Server

JSON = {"Content-Type": "application/json"}


async def test_the_routers_own_refusals_are_problems(server: Server) -> None:
    for path in ("/nowhere", "/api", "/api/trades/", "/api/trades/a/b", "/docs/../setup.py"):
        problem(await ask(server, "GET", path), 404)
    answer = await ask(server, "DELETE", "/api/trades")
    problem(answer, 405)
    assert {"GET", "HEAD", "POST"} == {word.strip() for word in answer.headers["Allow"].split(",")}
    problem(await ask(server, "PATCH", "/healthz"), 405)
    problem(await ask(server, "OPTIONS", "/api/trades"), 405)


async def test_bodies_that_are_no_json_are_named_so(server: Server) -> None:
    caller = await server.key("publish")
    for body in (b"", b"{", b"\xff", b"[1,]", b'{"a":"\\ud800"}', b"[" * 50_000):
        problem(await ask(server, "POST", "/api/trades", caller, data=body, headers=JSON), 400)
    for body in (b"null", b"1", b"1" * 9999, b'"text"', b"true"):
        answer = await ask(server, "POST", "/api/alerts", caller, data=body, headers=JSON)
        assert places(answer) == [""]
    answer = await ask(server, "POST", "/api/alerts", caller, json=[ALERT])
    assert places(answer) == [""]


async def test_other_content_is_415_and_too_much_is_413(server: Server) -> None:
    caller = await server.key("publish")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        headers = {"Content-Type": kind}
        answer = await ask(server, "POST", "/api/trades", caller, data=b"{}", headers=headers)
        problem(answer, 415)
    limit = 16 * 2**20
    head = await _raw(server, caller, f"Content-Length: {limit + 1}\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in head
    # Refused unread; the same without its length said beforehand, packed small.
    packed = gzip.compress(b'{"x":"' + b"x" * limit + b'"}')
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert len(packed) < 100_000
    problem(await ask(server, "POST", "/api/trades", caller, data=packed, headers=headers), 413)
    problem(await ask(server, "POST", "/api/trades", caller, data=b"nope", headers=headers), 400)


async def test_the_request_id_is_kept_if_it_is_sane(server: Server) -> None:
    for given in ("req-1", "a" * 128, "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "trace:01/02"):
        answer = await ask(server, "GET", "/healthz", headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] == given
    made = set()
    for given in ("", "a" * 129, "a b", "<script>", "é", 'a"b'):
        answer = await ask(server, "GET", "/nowhere", headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] != given
        made.add(problem(answer, 404)["request_id"])
    assert len(made) == 6


class GapCallback:
    """A host's accessor in trouble."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def get_trades(self, **_: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "error", [RuntimeError("the secret of the host"), ConnectionRefusedError("no"), TimeoutError()]
)
async def test_a_failing_accessor_is_a_500_without_its_reason(
    serve: Serve, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    server = await serve(accessors={"trades": GapCallback(error)})
    caller = await server.key()
    with caplog.at_level(logging.ERROR):
        answer = await ask(server, "GET", "/api/trades", caller)
    content = problem(answer, 500)
    assert "secret of the host" not in answer.body.decode()
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert record.request_id == content["request_id"]  # type: ignore[attr-defined]
    problem(await ask(server, "GET", "/api/trades?format=csv", caller), 500)
    # What the host's object does not offer is said, not failed at.
    problem(await ask(server, "GET", "/api/trades/x", caller), 501)
    assert await server.json("/api/alerts", caller) == []


async def test_a_line_break_in_a_path_forges_no_log_line(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "alphapulse_api.access"):
        await ask(server, "GET", "/%0aFORGED?token=hush")
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert "hush" not in f"{record.getMessage()}{record.__dict__}"


async def test_a_caller_learns_its_limit_and_is_held_to_it(serve: Serve) -> None:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=5))
    caller = await server.key(name="one")
    statuses = []
    for left in range(4, -1, -1):
        path = "/api/me" if left % 2 else "/api/alerts"
        method = "POST" if path == "/api/alerts" else "GET"  # a key without publish: 403
        answer = await ask(server, method, path, caller, json={})
        statuses.append(answer.status)
        assert answer.headers["RateLimit-Policy"] == '"default";q=5;w=60'
        name, remaining, reset = answer.headers["RateLimit"].split(";")
        assert (name, remaining) == ('"default"', f"r={left}")
        assert 1 <= int(reset.removeprefix("t=")) <= 60
    assert statuses == [403, 200, 403, 200, 403]  # refusals count too
    answer = await ask(server, "GET", "/api/me", caller)
    problem(answer, 429)
    assert 1 <= int(answer.headers["Retry-After"]) <= 12
    assert "r=0" in answer.headers["RateLimit"]
    # Another caller, and nobody, are not held to it.
    assert (await ask(server, "GET", "/api/me", await server.key(name="two"))).status == 200
    public = await ask(server, "GET", "/healthz", caller)
    assert public.status == 200
    assert "RateLimit" not in public.headers


async def _raw(server: Server, caller: dict[str, str], rest: str, *, wait: bool = True) -> bytes:
    """The head of the answer to a POST of metrics written by hand, then hang up."""
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    key = caller["X-API-Key"]
    writer.write(
        f"POST /api/metrics HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\n{rest}".encode()
    )
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n") if wait else b""
    writer.close()
    await writer.wait_closed()
    return head


async def test_a_client_that_goes_away_mid_body_harms_nobody(server: Server) -> None:
    caller = await server.key("publish")
    await _raw(server, caller, "Content-Length: 1000\r\n\r\n[", wait=False)
    assert (await ask(server, "POST", "/api/metrics", caller, json=POINT)).status == 201


async def test_an_unread_body_does_not_spoil_the_next_request(server: Server) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        for _ in range(3):
            async with session.post(f"{server.url}/api/trades", data=b"x" * 200_000) as response:
                assert response.status == 401


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/openapi.json", "/docs", "/ws"])
async def test_no_path_takes_a_parameter_it_does_not_know(server: Server, path: str) -> None:
    answer = await ask(server, "GET", f"{path}?token=abc", await server.key())
    assert problem(answer, 422)["errors"] == [
        {"parameter": "token", "detail": "Unknown parameter."}
    ]


async def test_an_unknown_expectation_is_no_error(server: Server) -> None:
    caller = await server.key()
    answer = await ask(server, "GET", "/api/trades", caller, headers={"Expect": "miracles"})
    assert answer.status == 200


async def test_a_client_that_waits_for_100_continue_gets_it(server: Server) -> None:
    caller = await server.key("publish")
    head = await _raw(server, caller, "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert head == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "path", "parameter"),
    [
        ("GET", "/api/metrics/RISK", "metric_type"),
        ("GET", "/api/metrics/9lives", "metric_type"),
        ("GET", "/api/metrics/a%20b", "metric_type"),
        ("GET", f"/api/metrics/{'a' * 65}", "metric_type"),
        ("GET", "/api/metrics/RISK?format=csv", "metric_type"),
        ("GET", "/api/metrics/RISK/latest", "metric_type"),
        ("GET", "/api/alerts/a%20b", "id"),
        ("GET", f"/api/alerts/{'a' * 129}", "id"),
        ("POST", "/api/alerts/a%3Fb/acknowledge", "id"),
        ("POST", "/api/alerts/a%2Fb/resolve", "id"),
        ("GET", "/api/trades/a%00b", "id"),
        ("PUT", "/api/agents/a%0Ab", "id"),
        ("POST", "/api/agents/a%20b/signals", "id"),
    ],
)
async def test_a_path_that_can_name_nothing_is_not_valid(
    server: Server, method: str, path: str, parameter: str
) -> None:
    url = URL(server.url + path, encoded=True)
    body = {} if method == "GET" else {"json": {}}
    headers = await server.login()
    async with server.session.request(method, url, headers=headers, **body) as response:
        answer = Answer(response.status, response.headers, await response.read())
    assert places(answer) == [parameter]


async def test_a_missing_content_type_is_called_missing(server: Server) -> None:
    caller = await server.key("publish")
    async with server.session.post(
        f"{server.url}/api/trades", data=b"{}", headers=caller, skip_auto_headers=["Content-Type"]
    ) as response:
        answer = Answer(response.status, response.headers, await response.read())
    detail = problem(answer, 415)["detail"]
    assert "missing" in detail
    assert "nothing" not in detail
    headers = {"Content-Type": "text/" + "x" * 5000}
    answer = await ask(server, "POST", "/api/trades", caller, data=b"{}", headers=headers)
    assert len(problem(answer, 415)["detail"]) < 300
