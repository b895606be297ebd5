"""One message to one receiver: its text, and its JSON. No I/O and no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.matching import RANKS, labels_of
from alphapulse_api.domain.notifications import ACKNOWLEDGED, RESOLVED
from alphapulse_api.domain.occurrences import SEVERITIES
from alphapulse_api.domain.times import rfc3339

Kind = Literal["info", "success", "warning", "failure"]

LINES: Final = 20  # alerts in a text
SHOWN: Final = 100  # alerts in JSON
LONGEST_TEXT: Final = 500  # characters of the message of an alert
_FIELDS: Final = (
    "id", "book", "title", "message", "severity", "source", "rule_id", "metric_name",
    "metric_value", "threshold", "status", "created_at", "acknowledged_by", "acknowledged_at",
    "comments", "resolved_at", "tags", "occurrences",
)  # fmt: skip
_KINDS: Final[Mapping[str, Kind]] = {
    "info": "info", "warning": "warning", "error": "failure", "critical": "failure",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """An alert in a message, and why it is there."""

    alert: Mapping[str, Any]
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """What a receiver is told at once.

    Attributes:
        id: the same each time that the message is sent.
        receiver: its name.
        group: what the alerts have in common.
        told: the alerts, the most important first.
        link: the URL of the console; empty: unknown.
    """

    id: str
    receiver: str
    group: str
    told: Sequence[Told]
    link: str = ""

    @property
    def kind(self) -> Kind:
        """How it looks: success, if all alerts are resolved."""
        return _KINDS[self._open[0].alert["severity"]] if self._open else "success"

    @property
    def title(self) -> str:
        """One line, such as `[CRITICAL] Drawdown` or `[CRITICAL] 100 alerts`."""
        head = self._open[0].alert["severity"].upper() if self._open else "RESOLVED"
        if len(self.told) == 1:
            alert = self.told[0].alert
            if alert["status"] == ACKNOWLEDGED:
                head = ACKNOWLEDGED.upper()
            return f"[{head}] {alert['title']}"
        rest = len(self.told) - len(self._open)
        also = f", {rest} of them resolved" if rest and self._open else ""
        return f"[{head}] {len(self.told)} alerts{also}"

    @property
    def text(self) -> str:
        """What it says, in lines."""
        lines = [_lines(told) for told in self.told[:LINES]]
        if more := self.told[LINES:]:
            counts = Counter(_state(told.alert) for told in more)
            each = ", ".join(f"{counts[name]} {name}" for name in _ORDER if counts[name])
            lines.append(f"… and {len(more)} more: {each}")
        if self.link:
            lines.append(self._link_to(self.told[0].alert) if len(self.told) == 1 else self.link)
        return "\n".join(lines)

    def json(self, at: str) -> bytes:
        """The body of a webhook, as Standard Webhooks recommends it.

        Args:
            at: when the message was first sent, by RFC 3339.
        """
        data = {
            "receiver": self.receiver,
            "group": self.group,
            "count": len(self.told),
            "alerts": [self._alert(told) for told in self.told[:SHOWN]],
        }
        return dumps({"type": "alerts.notification", "timestamp": at, "data": data})

    @property
    def _open(self) -> list[Told]:
        return [told for told in self.told if told.alert["status"] != RESOLVED]

    def _alert(self, told: Told) -> dict[str, Any]:
        alert = told.alert
        return {
            **{name: alert.get(name) for name in _FIELDS},
            "labels": dict(labels_of(alert)),
            "causes": list(told.causes),
            "url": self._link_to(alert) if self.link else None,
        }

    def _link_to(self, alert: Mapping[str, Any]) -> str:
        return f"{self.link}#alert={quote(str(alert['id']), safe='')}"


_ORDER: Final = (*reversed(SEVERITIES), ACKNOWLEDGED, RESOLVED)


def in_order(told: Sequence[Told]) -> list[Told]:
    """The alerts of a message: open ones first, by severity, then the oldest first."""

    def place(one: Told) -> tuple[bool, int, Any]:
        alert = one.alert
        return alert["status"] == RESOLVED, -RANKS[alert["severity"]], alert["created_at"]

    return sorted(told, key=place)


def trial(message_id: str, receiver: str, at: Any, link: str) -> Message:
    """The message that `alphapulse-api notify test` sends."""
    alert = {
        "id": "test", "book": None, "title": "Test message",
        "message": "This is a test. No alert was raised.", "severity": "info", "source": None,
        "rule_id": None, "status": "active", "created_at": at, "tags": [], "metadata": {},
    }  # fmt: skip
    return Message(message_id, receiver, "", [Told(alert, ("test",))], link)


def _state(alert: Mapping[str, Any]) -> str:
    status = str(alert["status"])
    return status if status in (ACKNOWLEDGED, RESOLVED) else str(alert["severity"])


def _lines(told: Told) -> str:
    alert = told.alert
    place = [str(alert[name]) for name in ("source", "book") if alert.get(name)]
    head = f"{_state(alert)}: {alert['title']}" + (f" ({', '.join(place)})" if place else "")
    parts = [head, f"  since {rfc3339(alert['created_at'])}"]
    if alert["status"] == RESOLVED and alert.get("resolved_at") is not None:
        parts[1] += f", resolved {rfc3339(alert['resolved_at'])}"
    if alert["status"] == ACKNOWLEDGED and alert.get("acknowledged_by"):
        parts[1] += f", acknowledged by {alert['acknowledged_by']}"
    if text := str(alert.get("message") or "").strip():
        parts.append("  " + (text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"))
    return "\n".join(parts)
