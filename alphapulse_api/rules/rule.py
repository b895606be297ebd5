"""A rule in the form in which it is evaluated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.books import BOOK_LABEL
from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.points import Key
from alphapulse_api.domain.rules import SILENCE, WATCHES, seconds_of
from alphapulse_api.domain.templates import Template
from alphapulse_api.rules.state import Condition, Timing
from alphapulse_api.schemas.alerts import MAX_MESSAGE, MAX_TITLE

SOURCE: Final = "rules"  # of the alerts
_SECOND: Final = 1_000_000
Labels = Mapping[str, str]


class Rule:
    """A validated rule, compiled; times are microseconds.

    Args:
        record: the rule as it is stored, with its `id` and `revision`.

    Attributes:
        changed_at: what was written before is not evaluated.
        threshold_series: the key of the series that is the threshold; None: a number is.
        own_labels: those that the rule adds to its alerts.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.id: str = record["id"]
        self.name: str = record["name"]
        self.revision: int = record["revision"]
        self.changed_at: int = record["changed_at"]
        self.watch: str = record["watch"]
        self.metric: tuple[str, str] = (
            record.get("metric_type") or "",
            record.get("metric_name") or "",
        )
        self.matchers: Labels = record.get("matchers") or {}
        self.book: str | None = record.get("book")
        self.agent_id: str | None = record.get("agent_id")
        self.component: str | None = record.get("component")
        self.field: str | None = record.get("field")
        self.function: str = record["function"]
        self.silence = self.function == SILENCE
        self.window = _micros(record.get("window"))
        self.sign: str = record.get("operator") or ">"
        self.threshold: float | None = record.get("threshold")
        self.condition = Condition(self.sign, record.get("recover"))
        series = record.get("threshold_series")
        self.threshold_series: Key | None = series and (
            series["metric_type"],
            series["name"],
            canonical(series.get("labels") or {}),
        )
        self.timing = Timing(_micros(record.get("for")), _micros(record.get("keep_firing_for")))
        self.severity: str = record["severity"]
        self.own_labels: Labels = record.get("labels") or {}
        self.group_by: list[str] | None = record.get("group_by")
        self._window_text: str = record.get("window") or ""
        self._title = Template(record["title"])
        self._message = Template(record["message"])

    def __repr__(self) -> str:
        return f"<Rule {self.id} {self.function} of {self.watched}>"

    @property
    def watched(self) -> str:
        """The name of what is watched, as alerts show it."""
        if self.watch == "metric":
            return self.metric[1]
        return self.field or self.watch

    @property
    def expected(self) -> Labels | None:
        """The labels of the group that there is although nothing was heard; None if there is none.

        Without it, nobody would be told of an agent that never reports.
        """
        wanted = {"book": self.book, "agent_id": self.agent_id, "component": self.component}
        names = WATCHES[self.watch]
        if names is None:
            return {} if self.group_by == [] else None
        known = {name: text for name in names if (text := wanted.get(name)) is not None}
        if self.group_by is not None:
            return self.labels_of(known) if set(self.group_by) <= known.keys() else None
        return known or None

    def matches(self, labels: Labels) -> bool:
        """Whether a series of the metric is watched."""
        return all(labels.get(name) == text for name, text in self.matchers.items())

    def labels_of(self, labels: Labels) -> dict[str, str]:
        """The labels of the group that something with these labels is in.

        Groups never have several books: their values may be in different currencies, or not real.
        """
        if self.group_by is None:
            return dict(labels)
        kept = {name: labels.get(name, "") for name in self.group_by}
        if BOOK_LABEL in labels:
            kept[BOOK_LABEL] = labels[BOOK_LABEL]
        return dict(sorted(kept.items()))

    def alert_id(self, key: str, fired_at: int) -> str:
        """The id of an alert: the same whoever raises it, so a repeat changes nothing."""
        text = f"{self.id}\n{self.revision}\n{key}\n{fired_at}"
        return f"rule-{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"

    def texts(
        self, labels: Labels, value: float | None, threshold: float | None
    ) -> tuple[str, str]:
        """The title and the message of an alert."""
        values = {
            "name": self.name,
            "value": value,
            "threshold": threshold,
            "function": self.function,
            "operator": self.sign,
            "window": self._window_text,
        }
        shown = {**labels, **self.own_labels}
        title = self._title.render(values, shown).strip() or self.name
        return _shortened(title, MAX_TITLE), _shortened(
            self._message.render(values, shown), MAX_MESSAGE
        )


def _micros(duration: str | None) -> int:
    return seconds_of(duration) * _SECOND if duration else 0


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
