"""The documents against the service: what they promise is what is answered, and nothing else."""

from __future__ import annotations

import json
import re
import sys
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import jsonschema
import psutil
import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from alphapulse_api.config import DocsConfig
from alphapulse_api.http.route_table import ROWS
from tests.asking import ALERT, POINT, SIGNAL, TRADE, Answer, ask, problem
from tests.conftest import PASSWORD, Serve, Server
from tests.webhooks import alertmanager, grafana

ASYNCAPI = Path(__file__).parents[1] / "data" / "asyncapi-3.0.0.json"
METHODS = ("get", "post", "put", "delete", "patch")


async def _document(server: Server, name: str) -> dict[str, Any]:
    answer = await ask(server, "GET", f"/{name}.json")
    assert answer.headers["Content-Type"] == "application/json"
    document: dict[str, Any] = answer.json
    return document


async def test_the_openapi_document_is_valid_and_has_every_route(server: Server) -> None:
    document = await _document(server, "openapi")
    assert document["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(document).validate()
    described = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS
    }
    assert described == {(row.method, row.path) for row in ROWS if not row.protocol}
    ids = [
        item[method]["operationId"]
        for item in document["paths"].values()
        for method in METHODS
        if method in item
    ]
    assert len(set(ids)) == len(ids)


async def test_the_asyncapi_document_is_valid(server: Server) -> None:
    document = await _document(server, "asyncapi")
    schema = json.loads(ASYNCAPI.read_bytes())
    jsonschema.Draft7Validator(schema).validate(document)
    assert document["asyncapi"] == "3.0.0"
    host, prefix = server.url.removeprefix("http://"), "/"
    assert document["servers"]["this"] == {"host": host, "protocol": "ws", "pathname": prefix}
    for reference in re.findall(
        r'"\$ref":"#/([^"]+)"', json.dumps(document, separators=(",", ":"))
    ):
        found: Any = document
        for step in reference.split("/"):
            found = found[step]


async def test_every_answer_is_as_described(server: Server) -> None:
    document = await _document(server, "openapi")
    admin = await server.login()
    seen: set[tuple[str, str, int]] = set()

    async def check(method: str, path: str, caller: Any = admin, **kwargs: Any) -> Answer:
        template = _template(document, path.partition("?")[0])
        answer = await ask(server, method, path, caller, **kwargs)
        operation = document["paths"][template][method.lower()]
        described = operation["responses"].get(str(answer.status))
        assert described, (method, path, answer.status, answer.body)
        kind = answer.headers["Content-Type"].split(";")[0]
        content = described["content"]
        assert kind in content or "*/*" in content, (path, kind)
        if kind in ("application/json", "application/problem+json") and kind in content:
            # Unknown members would pass unseen: the schemas are closed for the test.
            schema = content[kind]["schema"]
            schema = schema if template.endswith(".json") else _closed(schema)
            schema = {**schema, "components": _closed_all(document)}
            OAS30Validator(schema).validate(answer.json)
        seen.add((method, template, answer.status))
        return answer

    await check("GET", "/api/portfolio")  # 404
    position = {"symbol": "A", "quantity": 1, "side": "short", "current_price": 2}
    portfolio = {"total_value": 1, "cash": "-1", "positions": [position, {**position, "value": 1}]}
    portfolio["performance"] = {"sharpe": None, "sortino": 1}
    await check("PUT", "/api/portfolio", json=portfolio)
    await check("GET", "/api/portfolio?include_history=true")
    await check("POST", "/api/trades", json={**TRADE, "id": "x1"})
    await check("POST", "/api/trades", json={**TRADE, "id": "x1", "price": 1})  # 409
    await check("POST", "/api/trades", json=[TRADE, {**TRADE, "fee": -1, "metadata": {"a": [1]}}])
    await check("POST", "/api/alerts", json={**ALERT, "id": "x1", "metric_value": None})
    for path, record in (("/api/trades/batch", TRADE), ("/api/metrics/batch", POINT)):
        await check("POST", path, json=[record])
        await check("POST", f"{path}?on_error=continue", json=[record, {}, {**record, "x": 1}])
        await check("POST", path, json=[{}])  # 422
    await check("POST", "/api/metrics", json=[POINT, {**POINT, "name": "b", "value": None}])
    await check("PUT", "/api/agents/x1", json={"metrics": {"a": None}})
    await check("POST", "/api/agents/x1/signals", json={**SIGNAL, "target_price": "1.50"})
    sample = {"component": "feed", "status": "error", "message": None, "metrics": {"lag": 0.1}}
    await check("POST", "/api/system", json=sample)
    await check("POST", "/webhooks/alertmanager", json=alertmanager({}))
    await check("POST", "/webhooks/alertmanager", json={"alerts": [{}]})  # 422
    await check("POST", "/webhooks/grafana", json=grafana())
    await check("POST", "/webhooks/freqtrade", json={"event": "warning", "message": "m"})
    await check("POST", "/webhooks/freqtrade", json={"event": "entry"})  # 422
    await check("POST", "/webhooks/tradingview", json={"ticker": "A", "action": "buy"})
    await check("POST", "/webhooks/tradingview", json={"action": "buy"})  # 422
    _, token = await server.dashboard.accounts.create_api_key("tv", {"webhook"})
    await check("POST", f"/webhooks/tradingview/{token}", None, json={"message": "hello"})
    await check("POST", "/webhooks/tradingview/none", None, json={"message": "hello"})  # 401
    await check("POST", "/api/alerts/x1/acknowledge")
    await check("POST", "/api/alerts/x1/resolve", json={})
    form = {"grant_type": "password", "username": "admin", "password": PASSWORD}
    pair = (await check("POST", "/token", None, data=form)).json
    await check("POST", "/token", None, data={"grant_type": "x"})
    await check("POST", "/token", None, data={**form, "password": "wrong"})
    await check("POST", "/token", None, json={})
    console = (await ask(server, "GET", "/console/")).body.decode()
    (version,) = set(re.findall(r'(?:src|href)="(\w+)/', console))
    for row in ROWS:
        path = row.path.replace("{id}", "x1").replace("{metric_type}", "risk")
        path = path.replace("{file}", "plotly.min.js" if row.tag == "console" else "start.js")
        path = path.replace("{version}", version)
        if row.method != "GET" or path == "/ws":
            continue
        await check("GET", path, allow_redirects=False)
        if row.handler is not None:
            await check("GET", path, None)  # 401
            await check("GET", f"{path}?nonsense=1")  # 422
        if row.many:
            await check("GET", f"{path}?format=csv")
            await check("GET", f"{path}?format=ndjson")
            await check("GET", f"{path}?format=arrow")
            await check("GET", path, headers={"Accept-Encoding": "identity;q=0"})  # 406
    await check("GET", "/api/metrics/risk?aggregation=avg,p99,count,stddev")
    await check("GET", "/api/trades/none")
    for kind in ("application/x-ndjson", "text/csv"):
        await check("POST", "/api/metrics", data=b"{}", headers={"Content-Type": kind})  # 422
    await check("POST", "/api/trades", json={})
    await check("POST", "/api/trades", data=b"{", headers={"Content-Type": "application/json"})
    await check("POST", "/token/revoke", None, data={"token": pair["refresh_token"]})
    succeeded = {(method, path) for method, path, status in seen if status < 400}
    assert succeeded == {
        (row.method, row.path) for row in ROWS if row.path != "/ws" and not row.protocol
    }


def _template(document: dict[str, Any], path: str) -> str:
    if path in document["paths"]:
        return path
    (found,) = (
        template
        for template in document["paths"]
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
    )
    return str(found)


def _closed_all(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    closed = {name: _closed(schema) for name, schema in schemas.items()}
    # RFC 9457 problems may have members of their own.
    closed["Problem"] = schemas["Problem"]
    return {"schemas": closed}


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if closed.get("type") == "object" and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed


class _Loads(HTMLParser):
    """What a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [v for n, v in attrs if n in ("src", "href") and v]
        if tag in ("script", "style") and not values.get("src"):
            self.inline.append(tag)
        self.inline += [name for name in values if name.startswith("on")]


@pytest.mark.parametrize("base_path", ["", "/desk"])
async def test_the_docs_page_loads_only_what_the_service_has(serve: Serve, base_path: str) -> None:
    server = await serve(base_path=base_path)
    page = await ask(server, "GET", "/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    loads = _Loads()
    loads.feed(page.body.decode())
    assert loads.inline == []
    assert len(loads.links) == 5
    for link in loads.links:
        assert ":" not in link
        assert not link.startswith("/")
        url = urljoin(f"{server.url}/docs", link)
        async with server.session.get(url) as response:
            assert (response.status, await response.read() != b"") == (200, True), link
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    start = (await ask(server, "GET", "/docs/start.js")).body.decode()
    assert 'new URL("../openapi.json", document.currentScript.src)' in start
    assert (await _document(server, "openapi"))["servers"] == [{"url": base_path or "/"}]
    for name in ("index.html", "..%2fpackage.json", "swagger-initializer.js", "%00"):
        problem(await ask(server, "GET", f"/docs/{name}"), 404)


async def test_the_documents_can_be_switched_off(serve: Serve) -> None:
    server = await serve(docs=DocsConfig(enabled=False))
    for path in ("/docs", "/docs/start.js", "/openapi.json", "/asyncapi.json"):
        problem(await ask(server, "GET", path), 404)
    assert (await ask(server, "GET", "/healthz")).status == 200


async def test_prometheus_figures_count_what_was_asked(server: Server) -> None:
    caller = await server.key()
    await ask(server, "GET", "/api/trades", caller)
    await ask(server, "GET", "/api/trades/none", caller)
    answer = await ask(server, "GET", "/metrics", caller)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.body.decode()
    counted = 'alphapulse_http_requests_total{method="GET",route="/api/trades%s",status="%d"} 1.0'
    assert counted % ("", 200) in text
    assert counted % ("/{id}", 404) in text
    assert "trades/none" not in text


async def test_prometheus_figures_show_what_the_process_holds(server: Server) -> None:
    caller = await server.key()

    async def figure(name: str) -> float:
        lines = (await ask(server, "GET", "/metrics", caller)).body.decode().splitlines()
        (line,) = [line for line in lines if line.startswith(f"{name} ")]
        return float(line.split()[1])

    tasks, handles = await figure("alphapulse_tasks"), await figure("process_open_fds")
    async with AsyncExitStack() as stack:
        for _ in range(5):
            connecting = server.session.ws_connect(f"{server.url}/ws", headers=caller)
            await stack.enter_async_context(connecting)
        assert await figure("alphapulse_tasks") >= tasks + 5
        assert await figure("process_open_fds") >= handles + 5
    resident = psutil.Process().memory_info().rss
    assert await figure("process_resident_memory_bytes") == pytest.approx(resident, rel=0.2)
    assert await figure("alphapulse_memory_blocks") == pytest.approx(
        sys.getallocatedblocks(), rel=0.2
    )


async def test_a_socket_message_of_a_null_figure_is_as_described(server: Server) -> None:
    document = await _document(server, "asyncapi")
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    caller = await server.key()
    async with server.session.ws_connect(f"{server.url}/ws", headers=caller) as ws:
        greetings = [await ws.receive_json(), await ws.receive_json()]
        channels = ["metrics", "alerts", "trades", "portfolio"]
        await ws.send_json({"type": "subscribe", "id": "s", "channels": channels})
        await server.feed.record_metrics({**POINT, "value": None})
        await server.feed.record_trade(TRADE)
        await server.feed.raise_alert(ALERT)
        await server.feed.update_portfolio(
            {"total_value": 1, "cash": 1, "performance": {"sharpe": None},
             "positions": [{"symbol": "A", "quantity": 1}]}
        )  # fmt: skip
        received = [*greetings, *[await ws.receive_json() for _ in range(5)]]
    for message in received:
        payload = {**messages[message["type"]]["payload"], "components": {"schemas": schemas}}
        jsonschema.Draft7Validator(payload).validate(message)
    assert received[-1]["type"] == "portfolio"
