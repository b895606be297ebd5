"""The release, for parts that may not import the package's root."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
