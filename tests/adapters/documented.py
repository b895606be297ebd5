"""The table of docs/adapters.md: what somebody has, and the line to write for it."""

from __future__ import annotations

import re
from typing import Final

from tests.commands import ROOT

_ROW: Final = re.compile(r"^\| ([^|]+) \| `([^|]+)` \|$", re.MULTILINE)
LINES: Final = dict(_ROW.findall((ROOT / "docs/adapters.md").read_text(encoding="utf-8")))
