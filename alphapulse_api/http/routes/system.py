"""Samples of components, and the figures of the process itself."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import PUBLISH
from alphapulse_api.http.handlers import imports, system
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.imports import Imported, ImportedSample
from alphapulse_api.schemas.system import (
    SystemExport,
    SystemQuery,
    SystemSample,
    SystemSampleRequest,
)

# fmt: off
ROWS: Final = (
    Row("GET", "/api/system", "view_system", system.list_system, query=SystemQuery,
        answer=SystemSample, many=True, resource="system", tag="system",
        operation="listSystemSamples"),
    Row("GET", "/api/system/export", "view_system", system.export_system,
        query=SystemExport, answer=SystemSample, many=True, export=True, tag="system",
        operation="exportSystemSamples"),
    Row("POST", "/api/system", PUBLISH, system.report_system, for_all_books=True,
        body=SystemSampleRequest, answer=SystemSample, status=201, repeats=True, tag="system",
        operation="createSystemSample"),
    Row("POST", "/api/system/batch", PUBLISH, system.report_batch, for_all_books=True,
        query=BatchQuery, body=SystemSampleRequest, body_is_array=True, answer=BatchResult,
        tag="system", operation="createSystemSamples"),
    Row("POST", "/api/system/import", PUBLISH, for_all_books=True, imports=imports.import_system,
        body=ImportedSample, body_in_lines=True, answer=Imported, tag="system",
        operation="importSystemSamples"),
    Row("GET", "/metrics", "view_system", raw=system.prometheus, for_all_books=True,
        media_type="text/plain", tag="system", operation="getPrometheusMetrics"),
)
# fmt: on
