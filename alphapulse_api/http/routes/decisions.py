"""Decisions."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import decisions, imports
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.chains import DecisionInFull, DecisionQuery
from alphapulse_api.schemas.decisions import (
    Decision,
    DecisionRequest,
    DecisionsExport,
    DecisionsQuery,
    ExportedDecision,
    ImportedDecision,
)
from alphapulse_api.schemas.imports import Imported

# fmt: off
ROWS: Final = (
    Row("GET", "/api/decisions", "view_trades", decisions.list_decisions, query=DecisionsQuery,
        answer=Decision, many=True, resource="decisions", channel="decisions", tag="decisions",
        operation="listDecisions"),
    Row("GET", "/api/decisions/export", "view_trades", decisions.export_decisions,
        query=DecisionsExport, answer=ExportedDecision, many=True, export=True,
        channel="decisions", tag="decisions", operation="exportDecisions"),
    Row("GET", "/api/decisions/{id}", "view_trades", decisions.get_decision,
        query=DecisionQuery, answer=DecisionInFull, every_book=True, channel="decisions",
        tag="decisions", operation="getDecision", failures=(404, 409), also=("view_agents",)),
    Row("POST", "/api/decisions", PUBLISH, decisions.record_decision, body=DecisionRequest,
        answer=Decision, status=201, located=True, repeats=True, tag="decisions",
        operation="createDecision", failures=(409,)),
    Row("POST", "/api/decisions/batch", PUBLISH, decisions.record_batch, query=BatchQuery,
        body=DecisionRequest, body_is_array=True, answer=BatchResult, tag="decisions",
        operation="createDecisions", failures=(409,)),
    Row("POST", "/api/decisions/import", PUBLISH, imports=imports.import_decisions,
        body=ImportedDecision, body_in_lines=True, answer=Imported, tag="decisions",
        operation="importDecisions", failures=(409,)),
)
# fmt: on
