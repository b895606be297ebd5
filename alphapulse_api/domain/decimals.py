"""Arithmetic on amounts that keeps every digit."""

from __future__ import annotations

from decimal import Context
from typing import Final

# The default context keeps 28 digits, and a host may have set fewer. Two amounts have at most 76
# digits each, and up to 10,000 of their products are added up.
EXACT: Final = Context(prec=200)
