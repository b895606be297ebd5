"""Entries of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.http.spec.examples.instants import NOON_ANSWER

ANSWERS: Final[Mapping[str, Any]] = {
    "AuditEntry": {
        "id": "019c1412-6f00-7d3c-a6b1-5f0c2a91d3b8", "at": NOON_ANSWER, "actor": "ann",
        "role": "operator", "auth": "jwt", "key_id": None, "address": "192.0.2.17",
        "request_id": "5e1f9a", "action": "alert.acknowledge", "target_kind": "alert",
        "target_id": "a-1", "book": "main", "before": {"status": "active"},
        "after": {"status": "acknowledged", "acknowledged_by": "ann", "comments": "looking"},
        "count": 1,
    },
}  # fmt: skip
