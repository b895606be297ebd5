"""Whether the process lives, and whether it can serve."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLIC
from alphapulse_api.http.handlers import system
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.system import Health, Readiness

# fmt: off
ROWS: Final = (
    Row("GET", "/healthz", PUBLIC, raw=system.healthz, answer=Health, operation="getHealth"),
    Row("GET", "/readyz", PUBLIC, raw=system.readyz, answer=Readiness,
        operation="getReadiness", failures=(503,)),
)
# fmt: on
