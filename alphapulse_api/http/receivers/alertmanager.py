"""Alertmanager's webhook, version 4, and Grafana's, which has more fields, as reports of alerts.

| theirs | ours |
|---|---|
| `fingerprint` | `id` |
| annotation `summary`, else `title`, else label `alertname` | `title` |
| annotation `description`, else `message` | `message` |
| label `severity`, else `priority` | `severity` |
| label `alertname` | `rule_id` |
| `startsAt`, `endsAt` of a resolved alert | `created_at`, `resolved_at` |
| all labels and annotations, and any further fields | `metadata` |

Sources: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config and
https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.http.receivers.severities import severity_of
from alphapulse_api.schemas.alerts import MAX_MESSAGE, MAX_TITLE

MAX_ALERTS: Final = 1000  # of one message, which is one transaction
MAX_RULE: Final = 128  # characters
_STATUSES: Final = ("firing", "resolved")
_PLACES: Final = {
    "id": "fingerprint",
    "created_at": "startsAt",
    "resolved_at": "endsAt",
    "title": "annotations",
    "message": "annotations",
    "severity": "labels",
    "rule_id": "labels",
    "metadata": "labels",
}  # by our field: theirs
# The members of an alert that become fields of ours; the rest is kept in the metadata.
_TAKEN: Final = frozenset({"status", "labels", "annotations", "startsAt", "endsAt", "fingerprint"})


def reports_of(message: Mapping[str, Any], source: str) -> list[dict[str, Any]]:
    """The reports in a message, not yet validated.

    Args:
        message: the body.
        source: of the alerts.

    Raises:
        ValidationProblem: if it is not such a message, pointing into it.
    """
    alerts = message.get("alerts")
    if not isinstance(alerts, list):
        raise _invalid("/alerts", "Must be an array of alerts.")
    if len(alerts) > MAX_ALERTS:
        detail = f"At most {MAX_ALERTS} alerts; set max_alerts of the sender."
        raise _invalid("/alerts", detail)
    return [_report(alert, f"/alerts/{index}", source) for index, alert in enumerate(alerts)]


def placed(problem: ValidationProblem) -> ValidationProblem:
    """The refusal of a report, with pointers into the message that it came from."""
    errors = [{**error, "pointer": _place(error["pointer"])} for error in problem.errors]
    count = len(errors) + int(problem.extra.get("errors_omitted", 0))
    return ValidationProblem(errors, count=count)


def _place(pointer: str) -> str:
    _, index, *steps = pointer.split("/")
    if steps:
        steps = [_PLACES.get(steps[0], steps[0])]
    return "/".join(("/alerts", index, *steps))


def _report(alert: Any, pointer: str, source: str) -> dict[str, Any]:
    if not isinstance(alert, Mapping):
        raise _invalid(pointer, "Must be an object.")
    labels = _texts(alert, "labels", pointer)
    annotations = _texts(alert, "annotations", pointer)
    status = alert.get("status")
    if status not in _STATUSES:
        raise _invalid(f"{pointer}/status", f"Must be one of: {', '.join(_STATUSES)}.")
    rule = labels.get("alertname")
    title = annotations.get("summary") or annotations.get("title") or rule
    rest = {name: value for name, value in alert.items() if name not in _TAKEN and value}
    return {
        **_given(alert, "fingerprint", "id"),
        **_given(alert, "startsAt", "created_at"),
        **(_given(alert, "endsAt", "resolved_at") if status == "resolved" else {}),
        "title": shortened(title or "Alert", MAX_TITLE),
        "message": shortened(
            annotations.get("description") or annotations.get("message") or "", MAX_MESSAGE
        ),
        "severity": severity_of(labels.get("severity") or labels.get("priority")),
        "source": source,
        "rule_id": shortened(rule, MAX_RULE) if rule else None,
        "metadata": {**rest, "labels": labels, "annotations": annotations},
    }


def _given(alert: Mapping[str, Any], theirs: str, ours: str) -> dict[str, Any]:
    return {ours: alert[theirs]} if theirs in alert else {}


def _texts(alert: Mapping[str, Any], name: str, pointer: str) -> dict[str, str]:
    """The labels or annotations; none where they are null or left out."""
    texts = alert.get(name)
    if texts is None:
        return {}
    if not isinstance(texts, Mapping) or not all(isinstance(text, str) for text in texts.values()):
        raise _invalid(f"{pointer}/{name}", "Must be an object of texts.")
    return {key: shortened(text, MAX_MESSAGE) for key, text in texts.items()}


def shortened(text: str, longest: int) -> str:
    """The text, cut to `longest` characters: a long text must not lose the alert."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _invalid(pointer: str, detail: str) -> ValidationProblem:
    return ValidationProblem([{"pointer": pointer, "detail": detail}])
