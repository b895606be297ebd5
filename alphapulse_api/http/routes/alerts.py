"""Alerts."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import ACKNOWLEDGE_ALERTS, PUBLISH
from alphapulse_api.http.handlers import alerts, imports
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.alerts import (
    AcknowledgeRequest,
    Alert,
    AlertRequest,
    AlertsExport,
    AlertsQuery,
    Nothing,
)
from alphapulse_api.schemas.batches import BatchQuery, BatchResult
from alphapulse_api.schemas.imports import Imported, ImportedAlert
from alphapulse_api.schemas.queries import RecordQuery

# fmt: off
ROWS: Final = (
    Row("GET", "/api/alerts", "view_alerts", alerts.list_alerts, query=AlertsQuery,
        answer=Alert, many=True, every_book=True, resource="alerts", channel="alerts", tag="alerts",
        operation="listAlerts"),
    Row("GET", "/api/alerts/export", "view_alerts", alerts.export_alerts,
        query=AlertsExport, answer=Alert, many=True, export=True, every_book=True, channel="alerts",
        tag="alerts", operation="exportAlerts"),
    Row("GET", "/api/alerts/{id}", "view_alerts", alerts.get_alert, query=RecordQuery,
        answer=Alert, every_book=True, resource="alerts", channel="alerts", tag="alerts",
        operation="getAlert", failures=(404, 409)),
    Row("POST", "/api/alerts", PUBLISH, alerts.raise_alert, body=AlertRequest, answer=Alert,
        status=201, located=True, repeats=True, tag="alerts", operation="createAlert",
        failures=(409,)),
    Row("POST", "/api/alerts/batch", PUBLISH, alerts.raise_batch, query=BatchQuery,
        body=AlertRequest, body_is_array=True, answer=BatchResult, tag="alerts",
        operation="createAlerts", failures=(409,)),
    Row("POST", "/api/alerts/import", PUBLISH, imports=imports.import_alerts,
        body=ImportedAlert, body_in_lines=True, answer=Imported, tag="alerts",
        operation="importAlerts", failures=(409,)),
    Row("POST", "/api/alerts/{id}/acknowledge", ACKNOWLEDGE_ALERTS, alerts.acknowledge_alert,
        query=RecordQuery, body=AcknowledgeRequest, body_may_be_absent=True, answer=Alert,
        tag="alerts", operation="acknowledgeAlert", failures=(404, 409)),
    Row("POST", "/api/alerts/{id}/resolve", ACKNOWLEDGE_ALERTS, alerts.resolve_alert,
        query=RecordQuery, body=Nothing, body_may_be_absent=True, answer=Alert, tag="alerts",
        operation="resolveAlert", failures=(404, 409)),
)
# fmt: on
