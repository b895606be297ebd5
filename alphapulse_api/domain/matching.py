"""Conditions on alerts, as routes and silences state them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from alphapulse_api.domain.occurrences import SEVERITIES

RANKS: Final = {severity: rank for rank, severity in enumerate(SEVERITIES)}
GROUPINGS: Final = ("severity", "source", "rule_id", "book")
LABEL: Final = "label:"


def labels_of(alert: Mapping[str, Any]) -> Mapping[str, Any]:
    """The labels of an alert, which senders put into its metadata."""
    metadata = alert.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return labels if isinstance(labels, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Matcher:
    """Conditions that an alert meets all of; an empty one is met by every alert.

    Attributes:
        severity: any of these severities.
        min_severity: this severity or a higher one.
        source: any of these sources.
        rule_id: any of these rules.
        tags: the alert has any of these tags.
        labels: the alert has, of each name, any of the values.
        book: any of these books; "": none.
    """

    severity: frozenset[str] = frozenset()
    min_severity: str | None = None
    source: frozenset[str] = frozenset()
    rule_id: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    labels: Mapping[str, frozenset[str]] | None = None
    book: frozenset[str] = frozenset()

    @classmethod
    def of(cls, conditions: Mapping[str, Any]) -> Matcher:
        """The matcher of conditions by name; labels are texts such as `team:risk`."""
        named: dict[str, set[str]] = {}
        for text in conditions.get("labels") or ():
            name, _, value = text.partition(":")
            named.setdefault(name, set()).add(value)
        return cls(
            min_severity=conditions.get("min_severity"),
            labels={name: frozenset(values) for name, values in named.items()},
            **{
                name: _texts(conditions.get(name))
                for name in ("severity", "source", "rule_id", "tags", "book")
            },
        )

    def matches(self, alert: Mapping[str, Any]) -> bool:
        """Whether an alert meets all conditions."""
        return (
            (not self.severity or alert["severity"] in self.severity)
            and (self.min_severity is None or RANKS[alert["severity"]] >= RANKS[self.min_severity])
            and (not self.source or alert.get("source") in self.source)
            and (not self.rule_id or alert.get("rule_id") in self.rule_id)
            and (not self.tags or not self.tags.isdisjoint(alert.get("tags") or ()))
            and (not self.book or (alert.get("book") or "") in self.book)
            and self._has_labels(alert)
        )

    def _has_labels(self, alert: Mapping[str, Any]) -> bool:
        if not self.labels:
            return True
        found = labels_of(alert)
        return all(
            name in found and str(found[name]) in values for name, values in self.labels.items()
        )


def _texts(values: Iterable[str] | None) -> frozenset[str]:
    return frozenset(values or ())
