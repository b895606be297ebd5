"""Converts warnings in nautilus_trader's log file of JSON lines to alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from alphapulse_api.adapters.nautilus_records import SOURCE
from alphapulse_api.adapters.records import identifier

LIMIT: Final = 50  # alerts per reading, so that a runaway log does not flood the dashboard
TITLE_LENGTH: Final = 200
MESSAGE_LENGTH: Final = 4000
_SEVERITIES: Final = {"WARN": "warning", "WARNING": "warning", "ERROR": "error"}


class JsonLog:
    """Reads what is appended to a log file.

    Args:
        path: the path of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0

    def alerts(self, *run: str) -> Iterator[dict[str, Any]]:
        """An alert for each warning or error since the last call, up to 50.

        The id of an alert is a hash of its content, so a line that is read again is the same alert.

        Args:
            run: the prefix of the ids.
        """
        skipped = 0
        for number, entry in enumerate(self._entries()):
            if number < LIMIT:
                yield _alert(entry, run)
            else:
                skipped += 1
        if skipped:
            yield {
                "title": f"{skipped} more warnings in the log",
                "message": str(self._path),
                "source": SOURCE,
            }

    def _entries(self) -> Iterator[dict[str, Any]]:
        for line in self._lines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # not written by the logger
            if isinstance(entry, dict) and entry.get("level") in _SEVERITIES:
                yield entry

    def _lines(self) -> list[bytes]:
        """The new complete lines."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._position:
                    self._position = 0  # the file was rotated
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._position += len(complete)
        return complete.splitlines()


def _alert(entry: dict[str, Any], run: tuple[str, ...]) -> dict[str, Any]:
    message, component = str(entry.get("message", "")), str(entry.get("component", ""))
    content = json.dumps(entry, sort_keys=True).encode()
    return {
        "id": identifier(*run, sha256(content).hexdigest()[:32]),
        "title": f"{component}: {message}"[:TITLE_LENGTH],
        "message": message[:MESSAGE_LENGTH],
        "severity": _SEVERITIES[entry["level"]],
        "source": SOURCE,
        "created_at": entry.get("timestamp"),
        "tags": [component[:64]] if component else [],
    }
