"""What other systems post when something happens."""

from __future__ import annotations

from typing import Any

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.http.receivers import alertmanager
from alphapulse_api.http.route import Call


async def alertmanager_alerts(call: Call) -> dict[str, int]:
    """Alerts of Prometheus Alertmanager: raised, changed, resolved, opened again."""
    return await _report(call, "alertmanager")


async def grafana_alerts(call: Call) -> dict[str, int]:
    """Alerts of Grafana: raised, changed, resolved, opened again."""
    return await _report(call, "grafana")


async def _report(call: Call, source: str) -> dict[str, Any]:
    reports = alertmanager.reports_of(call.body, source)
    try:
        await call.backend.feed.report_alerts(reports)
    except ValidationProblem as problem:
        raise alertmanager.placed(problem) from None
    return {"accepted": len(reports)}
