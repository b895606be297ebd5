"""Freeze both documents, and a session of their examples: python -m tests.clients.freeze.

It is for a release. Before it, only for a change that no client can have met.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp

from alphapulse_api import Config, Dashboard
from alphapulse_api.config import DatabaseConfig, RateLimitConfig
from tests.asking import Answer, ask
from tests.conftest import PASSWORD, Server
from tests.described import Described
from tests.example_session import ask_all, converse

FROZEN: Final = Path(__file__).parent / "frozen"


def recorded(described: Described, answer: Answer) -> dict[str, Any]:
    """What is kept of an answer: its status, which headers it had, and its JSON."""
    known = described.document["components"]["headers"]
    is_json = answer.headers["Content-Type"].startswith("application/json")
    return {
        "status": answer.status,
        "headers": sorted(name for name in known if name in answer.headers),
        "body": answer.json if is_json else None,
    }


async def freeze(folder: str) -> None:
    """Write the files."""
    config = Config(
        port=0,
        database=DatabaseConfig(url=f"sqlite:///{folder}/frames.db"),
        rate_limit=RateLimitConfig(enabled=False),
    )
    async with Dashboard(config) as dashboard, aiohttp.ClientSession() as session:
        server = Server(dashboard, session)
        documents = {
            name: (await ask(server, "GET", f"/{name}.json")).json
            for name in ("openapi", "asyncapi")
        }
        frames = await converse(server, documents["asyncapi"])
    config = replace(config, database=DatabaseConfig(url=f"sqlite:///{folder}/answers.db"))
    async with Dashboard(config) as dashboard, aiohttp.ClientSession() as session:
        described = Described(documents["openapi"])
        asked = await ask_all(Server(dashboard, session), described)
    answers = {each.name: recorded(described, each.answer) for each in asked}
    FROZEN.mkdir(exist_ok=True)
    for name, content in {**documents, "answers": answers, "frames": frames}.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=name == "answers")
        (FROZEN / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ["AP_ADMIN_PASSWORD"] = PASSWORD
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(freeze(folder))
