"""The examples of the OpenAPI document: requests that succeed, and the answers they get."""

from __future__ import annotations

import pytest

from tests.asking import ask
from tests.conftest import Server
from tests.described import Described
from tests.example_session import LAST, ask_all, unlike

# Of whom the example speaks is not who asks. The records of batches and imports were made before.
# There is one more book: the example of opening one. The past that a rule is tested on is empty.
OTHERS = ("getMe", "haltAgents", "createToken", "listPortfolios", "testRule", *LAST)
# Of records with the time of the test, which no example can have; of positions that none closes;
# of messages that nobody receives.
EMPTY = ("listAudit", "listCommands", "listNotifications", "listPnl")


@pytest.fixture
async def openapi(server: Server) -> Described:
    return Described((await ask(server, "GET", "/openapi.json")).json, closed=True)


async def test_every_example_of_a_request_gets_the_example_of_its_answer(
    server: Server, openapi: Described
) -> None:
    for name, method, path, filtered, answer in await ask_all(server, openapi):
        assert answer.status < 300, (name, answer.body)
        openapi.check(method, path, answer)
        _, operation = openapi.find(method, path)
        response = openapi.resolved(operation["responses"][str(answer.status)])
        kind = answer.headers["Content-Type"].split(";")[0]
        if kind != "application/json":
            assert answer.body, name
        elif name in EMPTY:
            assert answer.json == []
        elif method == "GET" and filtered:
            assert answer.json, name  # the examples of the filters find the example of the record
        elif name not in OTHERS and not path.endswith(("/batch", "/import")):
            example = response["content"][kind]["example"]
            assert unlike(example, answer.json) == [], name
            assert unlike(answer.json, example) == [], name


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
