"""docs/websocket.md says all that there is, and its examples are what the server speaks."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.auth.permissions import EXECUTE, VIEWS
from alphapulse_api.config import EventsConfig, WebSocketConfig
from alphapulse_api.domain.channels import CHANNELS
from alphapulse_api.domain.errors import CLOSES, SOCKET_ERRORS
from alphapulse_api.domain.times import now
from alphapulse_api.http.spec.messages import ANSWERS_AND_EVENTS
from alphapulse_api.http.spec.messages import REQUESTS as DESCRIBED_REQUESTS
from alphapulse_api.sockets.protocol import Protocol, Reply
from alphapulse_api.sockets.requests import REQUESTS, Authenticate
from tests.sockets.conftest import a_caller

GUIDE = (Path(__file__).parents[2] / "docs" / "websocket.md").read_text()
EXAMPLES: list[dict[str, Any]] = [
    json.loads(line)
    for block in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    for line in block.splitlines()
]


FROM_SERVER_BY_TYPE = {message.kind: message.schema for message in ANSWERS_AND_EVENTS}


def test_every_message_type_has_an_example() -> None:
    shown = {example["type"] for example in EXAMPLES}
    assert shown == REQUESTS.keys() | FROM_SERVER_BY_TYPE.keys()
    assert {message.kind for message in DESCRIBED_REQUESTS} == REQUESTS.keys()


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e["type"] in REQUESTS.keys() - {"subscriptions"}]
)
def test_every_request_of_the_guide_is_understood(example: dict[str, Any]) -> None:
    caller = replace(a_caller(VIEWS | {EXECUTE}), agents=("momentum-1",))
    (action,) = Protocol(caller).receive(json.dumps(example), now())
    if isinstance(action, Reply):
        assert action.message["type"] == "pong"
    assert not isinstance(action, Authenticate) or example["type"] == "auth"


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e["type"] not in REQUESTS])
def test_every_answer_of_the_guide_has_the_fields_of_the_api_document(
    example: dict[str, Any],
) -> None:
    schema = FROM_SERVER_BY_TYPE[example["type"]]
    assert set(schema["required"]) <= example.keys() <= schema["properties"].keys()


@pytest.mark.parametrize("error", SOCKET_ERRORS, ids=lambda e: e.code)
def test_every_error_code_is_explained(error: Any) -> None:
    assert f"\n| `{error.code}` |" in GUIDE


def test_every_close_is_explained_and_no_other() -> None:
    table = re.findall(r"^\| (\d{4}) \| `(\w+)` \|", GUIDE, re.MULTILINE)
    assert [(int(code), reason) for code, reason in table] == [tuple(close) for close in CLOSES]


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=lambda c: c.name)
def test_every_channel_is_explained(channel: Any) -> None:
    filters = ", ".join(f"`{name}`" for name in channel.filters)
    row = f"| `{channel.name}` | `{channel.type}` | {channel.permission} | {filters} |"
    assert row.replace("|  |", "| |") in GUIDE


def test_every_limit_that_can_be_configured_is_named() -> None:
    for option in fields(WebSocketConfig):
        assert f"`websocket.{option.name}`" in GUIDE
    assert {"history_size", "history_ttl"} <= {option.name for option in fields(EventsConfig)}
    for name in re.findall(r"`websocket\.(\w+)`", GUIDE):
        assert hasattr(WebSocketConfig(), name)
