"""What the use of models cost."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import usage
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.usage import UsageQuery, UsageRecord, UsageRecordRequest, UsageSum

# fmt: off
ROWS: Final = (
    # Not cached: the answer depends on signals and decisions, too.
    Row("GET", "/api/usage", "view_agents", usage.list_usage, query=UsageQuery, answer=UsageSum,
        many=True, tag="usage", operation="listUsage"),
    Row("POST", "/api/usage", PUBLISH, usage.record_usage, body=UsageRecordRequest,
        answer=UsageRecord, status=201, repeats=True, tag="usage", operation="createUsage",
        failures=(409,)),
    Row("POST", "/api/usage/batch", PUBLISH, usage.record_batch, query=BatchQuery,
        body=UsageRecordRequest, body_is_array=True, answer=BatchResult, tag="usage",
        operation="createUsageRecords", failures=(409,)),
)
# fmt: on
