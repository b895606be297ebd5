"""An export of signals or decisions, imported into an empty dashboard, is the same export there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.config import DatabaseConfig
from alphapulse_api.schemas.decisions import DecisionRequest
from alphapulse_api.schemas.signals import SignalRequest
from tests.asking import ask
from tests.conftest import Serve, Server
from tests.engines import empty_store
from tests.http.test_decisions import DECISION
from tests.http.test_signals import FULL, PATH

SCOPES = ("publish", "view_agents", "view_trades")
SIGNALS: list[dict[str, Any]] = [
    {**FULL, "reason": "margins, \"quoted\"\r\nand 'more'", "book": "main"},
    {"id": "s-2", "symbol": "=1+1", "abstained": True, "reason": "blind", "supersedes": "s-1"},
    {
        "id": "s-3",
        "symbol": "MSFT",
        "direction": "short",
        "confidence": 0,
        "metadata": {"n": 10**30},
    },
]
DECISIONS: list[dict[str, Any]] = [
    {**DECISION, "corrects": "d-0", "book": "main"},
    {"id": "d-2", "agent_id": "manager", "outcome": "no_trade", "signal_ids": ["s-3"]},
    {"id": "d-3", "agent_id": "manager", "metadata": {"a": [1.5, None, {"b": True}]}},
]
NOT_SENT = {"signals", "trades", "agent_id", "abstained"}  # parts, the path, and the second signal
IMPORTS = {"signals": (PATH, SIGNALS), "decisions": ("/api/decisions", DECISIONS)}


async def export(server: Server, key: Any, path: str, form: str) -> tuple[str, bytes]:
    file = await ask(server, "GET", f"{path}/export?format={form}&sort=asc", key)
    assert file.status == 200, file.body
    return file.headers["Content-Type"], file.body


def rows(lines: bytes) -> list[dict[str, Any]]:
    """Of NDJSON, without what the server sets on arrival."""
    read = [json.loads(line) for line in lines.splitlines()]
    return [{name: row[name] for name in row if name != "received_at"} for row in read]


def test_the_records_have_every_field() -> None:
    for schema, (full, *_) in ((SignalRequest, SIGNALS), (DecisionRequest, DECISIONS)):
        assert schema().fields.keys() - NOT_SENT <= full.keys()


@pytest.mark.parametrize("resource", IMPORTS)
@pytest.mark.parametrize("form", ["csv", "ndjson"])
async def test_an_export_is_the_same_where_it_was_imported(
    serve: Serve, tmp_path: Path, form: str, resource: str
) -> None:
    one = await serve()
    store = empty_store(tmp_path / "other.db")
    other = await serve(database=DatabaseConfig(url=f"sqlite:///{store}"))
    here, there = [await server.key(*SCOPES) for server in (one, other)]
    for path, records in IMPORTS.values():
        for record in records:
            made = await ask(one, "POST", path, here, json=record)
            assert made.status == 201, made.body
    # Decisions name signals, whose symbols are among theirs.
    for name in ("signals", resource):
        path, records = IMPORTS[name]
        media, file = await export(one, here, path, form)
        headers = {"Content-Type": media}
        answer = await ask(other, "POST", f"{path}/import", there, data=file, headers=headers)
        assert answer.status == 200, answer.body
        assert answer.json["accepted"] == len(records)
    path, records = IMPORTS[resource]
    found = rows((await export(other, there, path, "ndjson"))[1])
    assert found == rows((await export(one, here, path, "ndjson"))[1])
    assert len(found) == len(records)
