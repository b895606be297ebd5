"""The AsyncAPI document against the socket: its messages, their examples, and their order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from alphapulse_api.domain.errors import CLOSES
from alphapulse_api.http.spec.asyncapi import asyncapi_document
from tests.asking import ask, problem
from tests.conftest import Server
from tests.example_session import converse

META = Path(__file__).parents[1] / "data" / "asyncapi-3.0.0.json"
DOCUMENT = asyncapi_document("https://dashboard.example.com/desk")
MESSAGES = DOCUMENT["components"]["messages"]


def check(message: dict[str, Any], key: str = "") -> None:
    """Hold a frame to its description; fields that it does not have are an error."""
    schemas = json.loads(json.dumps(DOCUMENT["components"]["schemas"]))
    for schema in schemas.values():
        if schema.get("properties"):
            schema["additionalProperties"] = False
    payload = MESSAGES[key or message["type"]]["payload"]
    schema = {"allOf": [payload], "components": {"schemas": schemas}}
    jsonschema.Draft7Validator(schema).validate(message)


def test_the_document_is_valid() -> None:
    jsonschema.Draft7Validator(json.loads(META.read_bytes())).validate(DOCUMENT)
    assert DOCUMENT["asyncapi"] == "3.0.0"
    this = DOCUMENT["servers"]["this"]
    assert (this["protocol"], this["host"], this["pathname"]) == (
        "wss", "dashboard.example.com", "/desk"
    )  # fmt: skip
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)):
        found: Any = DOCUMENT
        for step in reference.split("/"):
            found = found[step]
    for close in CLOSES:
        assert f"| {close.code} | `{close.reason}` |" in DOCUMENT["info"]["description"]


@pytest.mark.parametrize("key", MESSAGES)
def test_the_example_of_a_message_is_of_its_schema(key: str) -> None:
    (example,) = MESSAGES[key]["examples"]
    check(example["payload"], key)


async def test_every_example_of_a_request_gets_the_reply_that_is_described(server: Server) -> None:
    replies = {
        operation["messages"][0]["$ref"].rpartition("/")[2]: [
            reply["$ref"].rpartition("/")[2] for reply in operation["reply"]["messages"]
        ]
        for operation in DOCUMENT["operations"].values()
        if "reply" in operation
    }
    frames = await converse(server, DOCUMENT)
    seen = dict(reversed(frames))  # the first frame after each request
    for request, (reply, error) in replies.items():
        example = MESSAGES[request]["examples"][0]["payload"]
        assert (seen[request]["type"], seen[request]["id"]) == (reply, example["id"])
        assert error == "error"
    for _, frame in frames:
        check(frame)
    later = {"error", "heartbeat", "resync", "token_expiring", "command_ready"}
    assert {frame["type"] for _, frame in frames} == MESSAGES.keys() - later - replies.keys()


async def test_a_refused_handshake_is_as_described(server: Server) -> None:
    text = DOCUMENT["info"]["description"]
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    key = await server.key()
    for status, path, headers in (
        (400, "/ws", {}),
        (400, "/ws", {**upgrade, **key, "Authorization": "Bearer x"}),
        (401, "/ws", {**upgrade, "X-API-Key": "apk_none"}),
        (403, "/ws", {**upgrade, "Origin": "https://elsewhere.example"}),
        (422, "/ws?token=x", upgrade),
        (426, "/ws", {**upgrade, "Sec-WebSocket-Version": "8"}),
    ):
        problem(await ask(server, "GET", path, headers=headers), status)
        assert f"| {status} |" in text
