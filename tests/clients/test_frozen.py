"""A client that was made from the documents as they were still reads the answers of today.

If a change is meant to break such clients, and none can have met what it changes, freeze anew:
`python -m tests.clients.freeze`.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from tests.clients.freeze import FROZEN, recorded
from tests.conftest import Server
from tests.described import Described
from tests.example_session import ask_all, converse, unlike


def _frozen(name: str) -> Any:
    return json.loads((FROZEN / f"{name}.json").read_text(encoding="utf-8"))


async def test_the_requests_of_before_get_answers_that_their_schemas_read(server: Server) -> None:
    described, known = Described(_frozen("openapi")), _frozen("answers")
    for name, method, path, _, answer in await ask_all(server, described):
        described.check(method, path, answer)
        today = recorded(described, answer)
        assert set(known[name].pop("headers")) <= set(today.pop("headers")), name
        assert unlike(known[name], today) == [], name


async def test_the_messages_of_before_get_frames_that_their_schemas_read(server: Server) -> None:
    document, known = _frozen("asyncapi"), _frozen("frames")
    components = document["components"]
    frames = await converse(server, document)
    assert [frame["type"] for _, frame in frames] == [frame["type"] for _, frame in known]
    for (_, frame), (_, before) in zip(frames, known, strict=True):
        payload = components["messages"][frame["type"]]["payload"]
        schema = {"allOf": [payload], "components": {"schemas": components["schemas"]}}
        jsonschema.Draft7Validator(schema).validate(frame)
        assert unlike(before, frame) == []
