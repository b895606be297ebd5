"""Linters find nothing in the documents, but for what their configurations explain."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.clients.toolbox import HERE, Toolbox

pytestmark = pytest.mark.clients

PARSE = """
    import { Parser } from "@asyncapi/parser";
    import { readFileSync } from "node:fs";
    const text = readFileSync("asyncapi.json", "utf8");
    const { document, diagnostics } = await new Parser().parse(text);
    console.log(JSON.stringify({ parsed: document !== undefined, diagnostics }));
"""


async def test_redocly_finds_nothing(documents: Toolbox) -> None:
    found = await documents.run(
        "redocly", "lint", "openapi.json", "--config", str(HERE / "redocly.yaml"), "--format=json"
    )
    assert json.loads(found)["problems"] == []


@pytest.mark.parametrize("document", ["openapi", "asyncapi"])
async def test_spectral_finds_nothing(documents: Toolbox, document: str) -> None:
    ruleset = str(HERE / f"spectral-{document}.yaml")
    found = await documents.run(
        "spectral", "lint", f"{document}.json", "--ruleset", ruleset,
        "--fail-severity=hint", "--format=json", "--quiet",
    )  # fmt: skip
    assert json.loads(found) == []


async def test_openapi_spec_validator_accepts_it(documents: Toolbox) -> None:
    assert "OK" in await documents.run("openapi-spec-validator", "openapi.json")


async def test_the_parser_of_asyncapi_finds_nothing(documents: Toolbox) -> None:
    documents.write("parse.mjs", PARSE)
    found = json.loads(await documents.run("node", "parse.mjs"))
    assert found["parsed"]
    # Its rules are those of Spectral, under the same names.
    rules = yaml.safe_load((HERE / "spectral-asyncapi.yaml").read_text())["rules"]
    explained = {name for name, severity in rules.items() if severity is False}  # YAML's `off`
    assert [x for x in found["diagnostics"] if x["code"] not in explained] == []
