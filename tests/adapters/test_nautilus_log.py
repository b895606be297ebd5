"""The lines of a log of nautilus_trader that become alerts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alphapulse_api.adapters.nautilus_log import LIMIT, JsonLog


def entry(number: int, level: str = "WARN") -> str:
    fields = {
        "timestamp": f"2024-01-01T00:00:00.{number:09}Z", "trader_id": "TESTER-001",
        "level": level, "component": "ExecEngine", "message": f"Number {number}",
    }  # fmt: skip
    return f"{json.dumps(fields)}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "node.json"


def append(file: Path, *lines: str) -> None:
    with file.open("a") as log:
        log.writelines(lines)


def messages(log: JsonLog) -> list[Any]:
    return [alert["message"] for alert in log.alerts()]


def test_what_was_there_before_is_no_news(file: Path) -> None:
    append(file, entry(1))
    log = JsonLog(file)
    append(file, entry(2))
    assert messages(log) == ["Number 2"]
    assert messages(log) == []


def test_a_file_may_come_later(file: Path) -> None:
    log = JsonLog(file)
    assert messages(log) == []
    append(file, entry(1))
    assert messages(log) == ["Number 1"]


def test_a_line_is_read_when_it_is_complete(file: Path) -> None:
    log = JsonLog(file)
    append(file, entry(1), entry(2)[:20])
    assert messages(log) == ["Number 1"]
    append(file, entry(2)[20:])
    assert messages(log) == ["Number 2"]


def test_a_file_that_was_rotated_is_read_from_its_beginning(file: Path) -> None:
    append(file, entry(1), entry(2))
    log = JsonLog(file)
    file.write_text(entry(3))
    assert messages(log) == ["Number 3"]


def test_warnings_and_errors_are_alerts_and_nothing_else(file: Path) -> None:
    log = JsonLog(file)
    append(file, entry(1, "INFO"), "not JSON\n", "[]\n", entry(2, "ERROR"), entry(3))
    found = [(alert["severity"], alert["title"]) for alert in log.alerts()]
    assert found == [("error", "ExecEngine: Number 2"), ("warning", "ExecEngine: Number 3")]


def test_the_same_line_has_the_same_id(file: Path) -> None:
    append(file, entry(1), entry(2))
    logs = [JsonLog(file.parent / "absent.json") for _ in range(2)]
    file.rename(file.parent / "absent.json")
    first, second = ([alert["id"] for alert in log.alerts("run-1")] for log in logs)
    assert first == second
    assert len(set(first)) == 2
    assert all(id_.startswith("run-1:") for id_ in first)


def test_a_log_that_runs_wild_is_summed_up(file: Path) -> None:
    log = JsonLog(file)
    append(file, *(entry(number) for number in range(LIMIT + 7)))
    *alerts, rest = log.alerts()
    assert len(alerts) == LIMIT
    assert rest["title"] == "7 more warnings in the log"
