"""The documents against the service: what they promise is what is answered, and nothing else."""

from __future__ import annotations

import re
import sys
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import psutil
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from alphapulse_api.config import DocsConfig
from alphapulse_api.http.route_table import ROWS
from tests.asking import ask, problem
from tests.conftest import Serve, Server
from tests.described import Described


async def _document(server: Server, name: str) -> dict[str, Any]:
    answer = await ask(server, "GET", f"/{name}.json")
    assert answer.headers["Content-Type"] == "application/json"
    document: dict[str, Any] = answer.json
    return document


async def test_the_openapi_document_is_valid_and_has_every_route(server: Server) -> None:
    document = await _document(server, "openapi")
    assert document["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(document).validate()
    operations = Described(document).operations
    assert set(operations) == {
        (row.method, row.path)
        for row in ROWS
        if not row.protocol and row.tag not in ("console", "documents", "socket")
    }
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)+", name) for name in ids)
    assert {tag for operation in operations.values() for tag in operation["tags"]} == {
        tag["name"] for tag in document["tags"]
    }


async def test_no_schema_has_a_list_of_its_own_name(server: Server) -> None:
    """A generator of Python clients gives both the same variable, of two types."""
    schemas = (await _document(server, "openapi"))["components"]["schemas"]
    for name, schema in schemas.items():
        variable = re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()
        assert schema.get("properties", {}).get(variable, {}).get("type") != "array", name


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
async def test_every_reference_of_a_document_resolves(server: Server, name: str) -> None:
    document = await _document(server, name)

    def check(node: Any) -> None:
        if isinstance(node, list):
            for part in node:
                check(part)
        elif isinstance(node, dict):
            if isinstance(pointer := node.get("$ref"), str):
                found: Any = document
                for step in pointer.removeprefix("#/").split("/"):
                    found = found[step.replace("~1", "/").replace("~0", "~")]
            for part in node.values():
                check(part)

    check(document)


async def test_the_documents_name_the_server_as_it_was_reached(serve: Serve) -> None:
    server = await serve(base_path="/desk", trusted_proxies=("127.0.0.1",))
    host = server.url.removeprefix("http://").removesuffix("/desk")
    for headers, scheme in (({}, ""), ({"X-Forwarded-Proto": "https"}, "s")):
        answer = await ask(server, "GET", "/openapi.json", headers=headers)
        url = f"http{scheme}://{host}/desk"
        assert answer.json["servers"] == [{"url": url}]
        flows = answer.json["components"]["securitySchemes"]["password"]["flows"]
        assert flows["password"]["tokenUrl"] == f"{url}/token"
        answer = await ask(server, "GET", "/asyncapi.json", headers=headers)
        this = answer.json["servers"]["this"]
        assert (this["protocol"], this["host"], this["pathname"]) == (f"ws{scheme}", host, "/desk")


async def test_nobody_but_a_trusted_proxy_tells_the_scheme(server: Server) -> None:
    answer = await ask(server, "GET", "/openapi.json", headers={"X-Forwarded-Proto": "https"})
    assert answer.json["servers"] == [{"url": server.url}]


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
