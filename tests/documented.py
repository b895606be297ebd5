"""The table of docs/embedding.md: what somebody has, and the line to write for it."""

from __future__ import annotations

import re
from typing import Final

from tests.commands import ROOT

_ROW: Final = re.compile(r"^\| ([^|]+) \| `([^|]+)` \|$", re.MULTILINE)
_PAGE: Final = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")

LINES: Final = dict(_ROW.findall(_PAGE[: _PAGE.index("\n## ")]))
# Those that need no other library; the adapters' are run by tests/adapters.
GENERAL: Final = frozenset(
    {
        "a program of any kind", "one on Windows, or with accessors of its own",
        "a small asyncio program", "a program on another machine", "an order or a fill",
        "fills in a DataFrame", "a metric in a fast loop", "a backtest, or the past",
    }
)  # fmt: skip
