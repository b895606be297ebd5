"""A folder with the tools, and the documents as a server gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.asking import ask
from tests.clients.toolbox import Toolbox
from tests.conftest import Server


@pytest.fixture
def toolbox(tmp_path: Path) -> Toolbox:
    folder = tmp_path / "src" / "example.com" / "dashboard"  # as GOPATH wants it
    folder.mkdir(parents=True)
    return Toolbox(folder)


@pytest.fixture
async def documents(server: Server, toolbox: Toolbox) -> Toolbox:
    """Tools in a folder that has both documents, openapi.json and asyncapi.json."""
    toolbox.url = server.url
    for name in ("openapi.json", "asyncapi.json"):
        answer = await ask(server, "GET", f"/{name}")
        (toolbox.folder / name).write_bytes(answer.body)
    return toolbox
