"""Who did what."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import MANAGE
from alphapulse_api.http.handlers import audit
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.audit import AuditEntry, AuditExport, AuditQuery

# fmt: off
ROWS: Final = (
    # Not cached: any process may add entries, and few people read them.
    Row("GET", "/api/audit", MANAGE, audit.list_audit, query=AuditQuery, answer=AuditEntry,
        many=True, for_all_books=True, tag="audit", operation="listAudit"),
    Row("GET", "/api/audit/export", MANAGE, audit.export_audit, query=AuditExport,
        answer=AuditEntry, many=True, export=True, for_all_books=True, tag="audit",
        operation="exportAudit"),
)
# fmt: on
