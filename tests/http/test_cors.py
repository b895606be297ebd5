"""Pages of other origins: what they may ask, read and open."""

from __future__ import annotations

import aiohttp
import pytest

from alphapulse_api.config import CorsConfig, RateLimitConfig
from alphapulse_api.http.spec.headers import HEADERS
from tests.asking import ask, problem
from tests.conftest import Serve, Server

OURS, THEIRS = "https://dashboard.example.com", "https://evil.example"
CORS = CorsConfig(allowed_origins=("http://localhost:3000", OURS), allow_credentials=True)


async def test_a_preflight_of_an_allowed_page_is_granted(serve: Serve) -> None:
    server = await serve(cors=CORS)
    for path, method, header in (
        ("/api/trades", "GET", "authorization"),
        ("/api/trades", "POST", "content-encoding,content-type,x-api-key"),
        ("/api/portfolio", "PUT", "authorization,content-type,x-request-id"),
        ("/api/alerts/x/acknowledge", "POST", "authorization"),
        ("/token", "POST", "content-type"),
        ("/api/metrics/risk", "GET", "if-none-match,cache-control"),
    ):
        answer = await ask(server, "OPTIONS", path, headers={
            "Origin": OURS,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": header,
        })  # fmt: skip
        assert answer.status == 200, answer.body
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert method in answer.headers["Access-Control-Allow-Methods"]
        granted = answer.headers["Access-Control-Allow-Headers"].lower()
        assert all(name in granted for name in header.split(","))
        assert int(answer.headers["Access-Control-Max-Age"]) > 0


async def test_a_preflight_of_another_page_is_refused(serve: Serve) -> None:
    server = await serve(cors=CORS)
    for origin in (THEIRS, "null", OURS + ".evil.example", "http://dashboard.example.com"):
        answer = await ask(server, "OPTIONS", "/api/trades", headers={
            "Origin": origin, "Access-Control-Request-Method": "GET",
        })  # fmt: skip
        problem(answer, 403)
        assert "Access-Control-Allow-Origin" not in answer.headers
    headers = {"Origin": OURS, "Access-Control-Request-Method": "DELETE"}
    problem(await ask(server, "OPTIONS", "/api/trades", headers=headers), 403)


@pytest.mark.parametrize("cors", [CORS, CorsConfig()])
async def test_options_that_is_no_preflight_names_the_methods(
    serve: Serve, cors: CorsConfig
) -> None:
    server = await serve(cors=cors)
    for path in ("/api/trades", "/token", "/healthz", "/ws", "/api/alerts/x/acknowledge"):
        for headers in ({}, {"Origin": OURS}):
            answer = await ask(server, "OPTIONS", path, headers=headers)
            assert "allowed: " in problem(answer, 405)["detail"]
            assert answer.headers["Allow"]
    problem(await ask(server, "OPTIONS", "/nowhere"), 404)


async def test_every_answer_that_looks_at_the_origin_varies_by_it(serve: Serve) -> None:
    server = await serve(cors=CORS)
    caller = await server.key("publish")
    preflight = {"Origin": OURS, "Access-Control-Request-Method": "GET"}
    etag = (await ask(server, "GET", "/api/trades", caller)).headers["ETag"]
    for status, method, path, headers in (
        (200, "GET", "/healthz", {}),
        (200, "GET", "/openapi.json", {}),
        (200, "GET", "/docs", {}),
        (200, "GET", "/api/trades", caller),
        (200, "GET", "/api/trades", caller),  # from the cache
        (200, "GET", "/api/trades?format=csv", caller),
        (200, "HEAD", "/api/trades", caller),
        (304, "GET", "/api/trades", {**caller, "If-None-Match": etag}),
        (401, "GET", "/api/trades", {}),
        (404, "GET", "/nowhere", {}),
        (404, "GET", "/api/trades/x", caller),
        (405, "DELETE", "/api/trades", {}),
        (415, "POST", "/token", {}),
        (422, "GET", "/api/trades?x=1", caller),
        (200, "OPTIONS", "/api/trades", preflight),
        (403, "OPTIONS", "/api/trades", {**preflight, "Origin": THEIRS}),
        (403, "OPTIONS", "/api/trades", {**preflight, "Access-Control-Request-Method": "DELETE"}),
        (405, "OPTIONS", "/api/trades", {}),
        (400, "GET", "/ws", {}),
        (403, "GET", "/ws", {"Origin": THEIRS}),
    ):
        for origin in ({}, {"Origin": OURS}):
            answer = await ask(server, method, path, {**origin, **headers})
            assert answer.status == status, (method, path)
            assert "Origin" in answer.headers["Vary"].split(", "), (method, path)


async def test_a_socket_looks_at_the_origin_without_cors_too(server: Server) -> None:
    answer = await ask(server, "GET", "/ws", headers={"Origin": THEIRS})
    problem(answer, 403)
    assert answer.headers["Vary"] == "Origin"
    async with server.session.ws_connect(f"{server.url}/ws") as ws:
        assert ws._response.headers["Vary"] == "Origin"


async def test_an_allowed_page_may_read_answers_and_refusals(serve: Serve) -> None:
    server = await serve(cors=CORS, rate_limit=RateLimitConfig(requests_per_minute=2))
    caller = await server.key()
    page = {"Origin": OURS}
    answers = {
        200: await ask(server, "GET", "/api/trades", caller, headers=page),
        422: await ask(server, "GET", "/api/trades?x=1", caller, headers=page),
        429: await ask(server, "GET", "/api/trades", caller, headers=page),
        401: await ask(server, "GET", "/api/trades", headers=page),
        415: await ask(server, "POST", "/token", headers=page),
        404: await ask(server, "GET", "/nowhere", headers=page),
        405: await ask(server, "DELETE", "/api/trades", headers=page),
    }
    for status, answer in answers.items():
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == OURS, status
        assert answer.headers["Access-Control-Allow-Credentials"] == "true", status
        exposed = answer.headers["Access-Control-Expose-Headers"]
        # A page may always read Cache-Control (Fetch, section 2.2.2).
        assert HEADERS.keys() - {"Cache-Control"} <= {name.strip() for name in exposed.split(",")}


async def test_another_page_may_read_nothing_and_no_cache_mixes_them_up(serve: Serve) -> None:
    server = await serve(cors=CORS)
    caller = await server.key()
    mine = await ask(server, "GET", "/api/trades", caller, headers={"Origin": OURS})
    etag = {"If-None-Match": mine.headers["ETag"]}
    for origin in ({}, {"Origin": THEIRS}):
        for condition in ({}, etag):
            answer = await ask(
                server, "GET", "/api/trades", caller, headers={**origin, **condition}
            )
            assert answer.headers["X-Cache"] == "HIT"
            assert not [name for name in answer.headers if name.startswith("Access-Control-")]
            assert "Origin" in answer.headers["Vary"]
    again = await ask(server, "GET", "/api/trades", caller, headers={"Origin": OURS, **etag})
    assert again.status == 304
    assert again.headers["Access-Control-Allow-Origin"] == OURS
    streamed = await ask(server, "GET", "/api/trades?format=csv", caller, headers={"Origin": OURS})
    assert streamed.headers["Access-Control-Allow-Origin"] == OURS
    assert "Origin" in streamed.headers["Vary"]


async def test_without_origins_there_is_no_cors(server: Server) -> None:
    answer = await ask(server, "GET", "/healthz", headers={"Origin": OURS})
    assert not [name for name in answer.headers if name.startswith("Access-Control-")]
    problem(await ask(server, "OPTIONS", "/api/trades", headers={"Origin": OURS}), 405)


async def test_any_origin_may_be_allowed_without_credentials(serve: Serve) -> None:
    server = await serve(cors=CorsConfig(allowed_origins=("*",)))
    answer = await ask(server, "GET", "/healthz", headers={"Origin": THEIRS})
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", THEIRS)
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", [THEIRS, "null", "http://[", "", "http://127.0.0.1:1"])
async def test_another_page_opens_no_socket(serve: Serve, origin: str) -> None:
    server = await serve(cors=CORS)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await server.session.ws_connect(f"{server.url}/ws", headers={"Origin": origin})
    assert refusal.value.status == 403
    problem(await ask(server, "GET", "/ws", headers={"Origin": origin}), 403)


async def test_our_own_and_allowed_pages_and_programs_open_sockets(serve: Serve) -> None:
    server = await serve(cors=CORS)
    for headers in ({}, {"Origin": OURS}, {"Origin": server.url}):
        async with server.session.ws_connect(f"{server.url}/ws", headers=headers) as ws:
            assert (await ws.receive_json())["type"] == "welcome"
