"""The order of lists."""

from __future__ import annotations

from typing import Literal

Sort = Literal["asc", "desc"]
