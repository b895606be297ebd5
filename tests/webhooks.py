"""What other systems post, as they document or send it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

# Grafana's documented example, shortened to one alert; its first one has the same fields.
_GRAFANA: Final[dict[str, Any]] = {
    "receiver": "My Super Webhook",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
            "annotations": {
                "description": "The system has high memory usage",
                "runbook_url": "https://myrunbook.com/runbook/1234",
                "summary": "This alert was triggered for zone us-1",
            },
            "startsAt": "2021-10-12T09:51:03.157076+02:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit",
            "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://play.grafana.org/alerting/silence/new?alertmanager=grafana",
            "dashboardURL": "",
            "panelURL": "",
            "values": {"B": 44.23943737541908, "C": 1},
        }
    ],
    "groupLabels": {},
    "commonLabels": {"team": "blue"},
    "commonAnnotations": {},
    "externalURL": "https://play.grafana.org/",
    "version": "1",
    "groupKey": "{}:{}",
    "truncatedAlerts": 0,
    "title": "[FIRING:1]  (blue)",
    "state": "alerting",
    "message": "**Firing**",
}


def grafana() -> dict[str, Any]:
    """A message of Grafana with one firing alert."""
    return deepcopy(_GRAFANA)


def alertmanager(*alerts: dict[str, Any]) -> dict[str, Any]:
    """A message of Alertmanager, of its version 4.

    Args:
        alerts: what differs from a firing alert with the fingerprint "f1".
    """
    firing = {
        "status": "firing",
        "labels": {"alertname": "Drawdown", "severity": "page", "desk": "crypto"},
        "annotations": {"summary": "Drawdown above 10 %"},
        "startsAt": "2026-01-01T10:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "f1",
    }
    return {
        "version": "4",
        "groupKey": '{}:{alertname="Drawdown"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "alphapulse",
        "groupLabels": {"alertname": "Drawdown"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": [{**firing, **alert} for alert in alerts],
    }


RESOLVED: Final = {"status": "resolved", "endsAt": "2026-01-01T11:00:00Z"}
AGAIN: Final = {"startsAt": "2026-01-01T12:00:00Z"}
