"""Clients that generators make as docs/clients.md says compile strictly, and do the whole job.

Each client logs in and renews its token; stores a trade, twice, and a thousand more; reads these in
three pages; acknowledges an alert; aggregates a metric; reads a portfolio with its history; exports
trades; and reads a 422 and a 429 as problems.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from alphapulse_api.config import RateLimitConfig
from tests.clients.toolbox import HERE, Toolbox
from tests.code_blocks import code_blocks
from tests.commands import ROOT
from tests.conftest import PASSWORD, Serve

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
INSTALLING = ("pip install ", "npm install ", "go mod ")  # what tests/clients/install did


class Client(NamedTuple):
    """How a client is checked and run, besides what the page says.

    Attributes:
        job: the program in jobs/.
        check: the command that compiles all there is in the folder.
        run: the command that runs a program.
    """

    job: str
    check: str
    run: str


TYPESCRIPT = ("tsc --project .", "tsx")
CLIENTS = {
    "openapi-python-client": Client("openapi_python_client.py", "mypy --strict .", "python"),
    "openapi-fetch": Client("openapi_fetch.ts", *TYPESCRIPT),
    "hey-api": Client("hey_api.ts", *TYPESCRIPT),
    "typescript-fetch": Client("typescript_fetch.ts", *TYPESCRIPT),
    "go": Client(
        "openapi_generator.go", "go vet ./alphapulse && go vet job.go && go vet use.go", "go run"
    ),
}
DONE = {
    "role": "admin",
    "renewed": True,
    "trade": ["t-1", "10.50", 201, 200],
    "batch": [1000, 0],
    "pages": [400, 400, 200],
    "acknowledged": ["acknowledged", "looking"],
    "buckets": [[10, 3, 6]],
    "portfolio": ["100250.75", 2],
    "exported": 1001,
    "refused": [422, "/executed_at"],
    "limited": [429, True],
}


async def generated_by(toolbox: Toolbox, name: str) -> None:
    """Generate in the folder, with the lines of the page."""
    (generate,) = code_blocks(PAGE, f"{name}: generate")
    lines = [line for line in generate.splitlines() if not line.startswith(INSTALLING)]
    await toolbox.shell("\n".join(lines))


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_generated_client_does_the_whole_job(
    serve: Serve, toolbox: Toolbox, name: str
) -> None:
    server = await serve(rate_limit=RateLimitConfig(requests_per_minute=60))
    await server.dashboard.accounts.set_user("ann", "admin", PASSWORD)
    key = (await server.key("publish"))["X-API-Key"]
    client = CLIENTS[name]
    suffix = client.job.rpartition(".")[2]
    toolbox.url = server.url
    (use,) = code_blocks(PAGE, f"{name}: use")
    toolbox.write("package.json", '{"type": "module"}')
    toolbox.write("tsconfig.json", (HERE / "tsconfig.json").read_text())
    toolbox.write(f"job.{suffix}", (HERE / "jobs" / client.job).read_text())
    toolbox.write(f"use.{suffix}", use)
    await generated_by(toolbox, name)

    await toolbox.shell(client.check)
    used = await toolbox.shell(f"{client.run} use.{suffix}", AP_API_KEY=key)
    more = ["1 imported"] if name == "openapi-python-client" else []
    assert used.splitlines() == ["10 AAPL at 187.20", *more]
    environment = {"AP_URL": server.url, "AP_USERNAME": "ann", "AP_PASSWORD": PASSWORD}
    assert json.loads(await toolbox.shell(f"{client.run} job.{suffix}", **environment)) == DONE
