"""The types of rules."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

from alphapulse_api.client.rows.alerts import Severity

RuleState = Literal["ok", "pending", "firing", "error", "disabled"]


class RuleSeries(TypedDict):
    """The series that is the threshold of a rule."""

    metric_type: str
    name: str
    labels: dict[str, str]


class RuleGroup(TypedDict):
    """A group of a rule that is pending or firing."""

    labels: dict[str, str]
    state: Literal["pending", "firing", "recovering"]
    since: datetime
    fired_at: datetime | None
    value: float | None
    alert_id: str | None


# In this form, because `for` is a word of Python.
_RuleFields = TypedDict("_RuleFields", {"for": str | None})


class RuleRow(_RuleFields):
    """A rule, as lists have it."""

    id: str
    name: str
    enabled: bool
    watch: Literal["metric", "portfolio", "agent", "system"]
    metric_type: str | None
    metric_name: str | None
    matchers: dict[str, str] | None
    book: str | None
    agent_id: str | None
    component: str | None
    field: str | None
    function: str
    window: str | None
    operator: str | None
    threshold: float | None
    threshold_series: RuleSeries | None
    recover: float | None
    keep_firing_for: str | None
    severity: Severity
    title: str
    message: str
    labels: dict[str, str] | None
    group_by: list[str] | None
    origin: Literal["api", "config"]
    state: RuleState
    error: str | None
    firing: int
    pending: int
    created_at: datetime
    updated_at: datetime


class Rule(RuleRow, total=False):
    """A rule; `groups` are there if it was asked for by its id."""

    groups: list[RuleGroup]


class TestedChange(TypedDict):
    """An alert that a rule would have raised or resolved."""

    at: datetime
    change: Literal["fired", "recovered"]
    labels: dict[str, str]
    value: float | None
    title: str
    message: str


class RuleTest(TypedDict):
    """What a rule would have done."""

    changes: list[TestedChange]
    fired: int
    firing: int
    groups: int
    values: int
    error: str | None
