"""The examples of the OpenAPI document: requests that succeed, and the answers they get."""

from __future__ import annotations

from typing import Any

import pytest

from tests.asking import ask
from tests.conftest import Server
from tests.described import Described

# What the server makes itself: another value of the same type.
MADE = {
    "access_token", "at", "checks", "expires_at", "permissions", "refresh_token", "role", "auth",
    "updated_at", "username",
}  # fmt: skip
# Each finds what it needs: records are made, then read, then changed.
FIRST = ("createTrade", "createAlert", "createSignal", "updateAgent", "updatePortfolio")
LAST = ("acknowledgeAlert", "resolveAlert")


async def test_every_example_of_a_request_gets_the_example_of_its_answer(server: Server) -> None:
    described = Described((await ask(server, "GET", "/openapi.json")).json, closed=True)
    await server.dashboard.accounts.set_user("ann", "viewer", "correct horse battery staple")
    admin = await server.login()
    _, token = await server.dashboard.accounts.create_api_key("tv", {"webhook"})
    in_order = sorted(
        described.operations.items(),
        key=lambda item: (
            item[1]["operationId"] in LAST,
            item[0][0] == "GET",
            item[1]["operationId"] not in FIRST,
        ),
    )
    for (method, path), operation in in_order:
        caller = admin if operation["security"] else None
        target, query = path, []
        for parameter in operation["parameters"]:
            if (name := parameter["name"]) == "token":
                target = target.replace("{token}", token)
            elif parameter["in"] == "path":
                target = target.replace(f"{{{name}}}", parameter["example"])
            elif parameter["in"] == "query":
                assert name == "cursor" or "example" in parameter, (path, name)
                query += _values(name, parameter.get("example"))
        options = _body(operation)
        answer = await ask(server, method, target, caller, params=query, **options)
        assert answer.status < 300, (operation["operationId"], answer.body)
        described.check(method, target, answer)
        name = operation["operationId"]
        if "json" not in answer.headers["Content-Type"]:
            continue
        (example,) = _answers(described, operation, answer.status)
        if method == "GET" and query:
            assert answer.json, name  # the examples of the filters find the example of the record
        elif name not in ("createTrades", "createMetrics", *LAST):
            assert _like(example, answer.json) == [], name


async def test_every_example_is_of_its_schema(openapi: Described) -> None:
    for operation in openapi.operations.values():
        contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
        for response in operation["responses"].values():
            contents.append(openapi.resolved(response).get("content", {}))
        for content in contents:
            for described in content.values():
                if described["schema"].get("format") != "binary":
                    openapi.validate(described["schema"], described["example"])
        for parameter in operation["parameters"]:
            if "example" in parameter:
                openapi.validate(parameter["schema"], parameter["example"])


@pytest.fixture
async def openapi(server: Server) -> Described:
    return Described((await ask(server, "GET", "/openapi.json")).json)


def _values(name: str, example: Any) -> list[tuple[str, str]]:
    if example is None:
        return []
    if isinstance(example, list):
        return [(name, value) for value in example]
    return [(name, str(example).lower() if isinstance(example, bool) else str(example))]


def _body(operation: dict[str, Any]) -> dict[str, Any]:
    if "requestBody" not in operation:
        return {}
    ((kind, content),) = operation["requestBody"]["content"].items()
    return {"json" if kind == "application/json" else "data": content["example"]}


def _answers(described: Described, operation: dict[str, Any], status: int) -> list[Any]:
    response = described.resolved(operation["responses"][str(status)])
    return [content["example"] for content in response["content"].values()]


def _like(example: Any, value: Any, place: str = "") -> list[str]:
    """Where a value is not like its example."""
    if isinstance(example, dict) and isinstance(value, dict):
        places = [f"{place}/{name}" for name in example.keys() ^ value.keys() if name not in MADE]
        for name in example.keys() & value.keys():
            if name not in MADE:
                places += _like(example[name], value[name], f"{place}/{name}")
        return places
    if isinstance(example, list) and isinstance(value, list) and len(example) == len(value):
        pairs = enumerate(zip(example, value, strict=True))
        return [at for index, pair in pairs for at in _like(*pair, f"{place}/{index}")]
    return [] if example == value else [f"{place}: {example!r} {value!r}"]
