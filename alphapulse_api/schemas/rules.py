"""Rules: what they watch, when they fire, and what a rule would have done in the past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import Schema, ValidationError, fields, validate

from alphapulse_api.domain.rules import (
    FUNCTIONS,
    OPERATORS,
    WATCHES,
    seconds_of,
)
from alphapulse_api.schemas.alerts import MAX_MESSAGE, MAX_TITLE, Severity
from alphapulse_api.schemas.answers import Answer
from alphapulse_api.schemas.fields import (
    BookId,
    Choice,
    Figure,
    Identifier,
    Items,
    Labels,
    MetricType,
    Text,
    Timestamp,
)
from alphapulse_api.schemas.queries import ListQuery
from alphapulse_api.schemas.quick import CheckedSchema
from alphapulse_api.schemas.rule_checks import faults_of

MAX_NAME: Final = 128
MAX_GROUP_BY: Final = 16
_TITLE: Final = "{name}"


class Watch(Choice):
    """What a rule watches."""

    words = tuple(WATCHES)


class RuleFunction(Choice):
    """What a rule makes of the values in its window; silence: that there were none at all."""

    words = tuple(FUNCTIONS)


class Comparison(Choice):
    """How the value is compared with the threshold."""

    words = tuple(OPERATORS)


class RuleOrigin(Choice):
    """Where a rule is stated; one of the configuration cannot be changed by the API."""

    words = ("api", "config")


class RuleState(Choice):
    """What a rule does; error: it is not evaluated, and `error` says why."""

    words = ("ok", "pending", "firing", "error", "disabled")


class GroupState(Choice):
    """What a group does; recovering: it still fires, because keep_firing_for is not over."""

    words = ("pending", "firing", "recovering")


class Span(Text):
    """A duration such as 5m: a whole number with s, m, h, d or w, at most 366 days.

    Args:
        zero: whether 0s is allowed.
    """

    def __init__(self, *, zero: bool = True, **kwargs: Any) -> None:
        super().__init__(16, **kwargs)
        self.zero = zero

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            seconds = seconds_of(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if not seconds and not self.zero:
            raise ValidationError("Must be longer than 0.")
        return text


class SeriesRef(Schema):
    """One series, exactly."""

    metric_type = MetricType(required=True)
    name = Text(128, required=True)
    labels = Labels(load_default=dict)


class RuleRequest(CheckedSchema):
    """A condition on what is written, which raises an alert while it is met."""

    read_only: ClassVar = frozenset({
        "origin", "state", "error", "firing", "pending", "created_at", "updated_at", "groups",
    })  # fmt: skip

    class Meta:
        include: ClassVar = {
            "for": Span(
                allow_none=True,
                metadata={"description": "how long the condition must be met; default: 0s"},
            )
        }

    id = Identifier(metadata={"description": "made by the server when left out"})
    name = Text(MAX_NAME, required=True)
    enabled = fields.Boolean(truthy={True}, falsy={False}, load_default=True)
    watch = Watch(load_default="metric", metadata={"description": "default: metric"})
    metric_type = MetricType(allow_none=True, metadata={"description": "of a metric"})
    metric_name = Text(128, allow_none=True, metadata={"description": "of a metric"})
    matchers = Labels(
        allow_none=True,
        metadata={"description": "labels that the series must have; default: any series"},
    )
    book = BookId(allow_none=True, metadata={"description": "of a portfolio; default: each book"})
    agent_id = Text(128, allow_none=True, metadata={"description": "default: each agent"})
    component = Text(128, allow_none=True, metadata={"description": "default: each component"})
    field = Text(
        160,
        allow_none=True,
        metadata={
            "description": "of a portfolio (total_value, cash, positions_value, performance.NAME, "
            "positions.weight and the like), a metric of an agent or `state`, a metric of a "
            "component or `status`"
        },
    )
    function = RuleFunction(load_default="last", metadata={"description": "default: last"})
    window = Span(
        zero=False,
        allow_none=True,
        metadata={"description": "of every function but last; of silence, how long it lasts"},
    )
    operator = Comparison(allow_none=True)
    threshold = Figure(metadata={"description": "or threshold_series"})
    threshold_series = fields.Nested(
        SeriesRef,
        allow_none=True,
        metadata={"description": "the series whose newest value is the threshold"},
    )
    recover = Figure(
        metadata={"description": "the threshold while the rule fires; default: the same"}
    )
    keep_firing_for = Span(
        allow_none=True,
        metadata={"description": "how long an alert outlives the condition; default: 0s"},
    )
    severity = Severity(load_default="warning", metadata={"description": "default: warning"})
    title = Text(
        MAX_TITLE,
        load_default=_TITLE,
        metadata={"description": "a template: {name}, {value:.2f}, {labels.symbol} and the like"},
    )
    message = Text(MAX_MESSAGE, shortest=0, load_default="", metadata={"description": "a template"})
    labels = Labels(allow_none=True, metadata={"description": "added to those of the alert"})
    group_by = Items(
        Text(128),
        allow_none=True,
        validate=validate.Length(max=MAX_GROUP_BY),
        metadata={
            "description": "the labels by which values are put together; default: each series by "
            "itself; an empty list: all of a book together"
        },
    )

    def errors_of(self, record: Mapping[str, Any], given: Any) -> dict[str, list[str]]:
        """Check what cannot work: fields that do not fit together, and templates."""
        return faults_of(record)


class RuleGroup(Answer):
    """A group of a rule that is pending or firing."""

    labels = Labels()
    state = GroupState()
    since = Timestamp()
    fired_at = Timestamp(allow_none=True)
    value = Figure()
    alert_id = Identifier(allow_none=True)


class Rule(Answer):
    """A condition on what is written, which raises an alert while it is met."""

    class Meta(Answer.Meta):
        include: ClassVar = {"for": Span(allow_none=True)}

    id = Identifier()
    name = Text(MAX_NAME)
    enabled = fields.Boolean()
    watch = Watch()
    metric_type = MetricType(allow_none=True)
    metric_name = Text(128, allow_none=True)
    matchers = Labels(allow_none=True)
    book = BookId(allow_none=True)
    agent_id = Text(128, allow_none=True)
    component = Text(128, allow_none=True)
    field = Text(160, allow_none=True)
    function = RuleFunction()
    window = Span(allow_none=True)
    operator = Text(
        2, allow_none=True, metadata={"description": f"one of {', '.join(OPERATORS)}; null: none"}
    )
    threshold = Figure()
    threshold_series = fields.Nested(SeriesRef, allow_none=True)
    recover = Figure()
    keep_firing_for = Span(allow_none=True)
    severity = Severity()
    title = Text(MAX_TITLE)
    message = Text(MAX_MESSAGE, shortest=0)
    labels = Labels(allow_none=True)
    group_by = fields.List(fields.String(), allow_none=True)
    origin = RuleOrigin()
    state = RuleState()
    error = fields.String(allow_none=True, metadata={"description": "why it is not evaluated"})
    firing = fields.Integer(metadata={"description": "how many groups fire"})
    pending = fields.Integer(metadata={"description": "how many groups are pending"})
    created_at = Timestamp()
    updated_at = Timestamp()


class RuleWithGroups(Rule):
    """A rule and its groups."""

    groups = fields.List(
        fields.Nested(RuleGroup), metadata={"description": "those that are pending or firing"}
    )


class RulesQuery(ListQuery):
    """Which page of the rules."""


class RuleTest(Schema):
    """A draft of a rule, and the past that it is tested on."""

    rule = fields.Nested(RuleRequest, required=True)
    start_time = Timestamp(required=True, metadata={"description": "inclusive"})
    end_time = Timestamp(metadata={"description": "exclusive; default: now"})


class TestedChange(Answer):
    """An alert that the rule would have raised or resolved."""

    at = Timestamp()
    change = Choice("fired", "recovered")
    labels = Labels()
    value = Figure()
    title = Text(MAX_TITLE)
    message = Text(MAX_MESSAGE, shortest=0)


class RuleTestAnswer(Answer):
    """What a rule would have done."""

    changes = fields.List(
        fields.Nested(TestedChange), metadata={"description": "in order; the first 1000"}
    )
    fired = fields.Integer(metadata={"description": "how many alerts it would have raised"})
    firing = fields.Integer(metadata={"description": "how many groups fire at the end"})
    groups = fields.Integer()
    values = fields.Integer(metadata={"description": "how many values were evaluated"})
    error = fields.String(
        allow_none=True, metadata={"description": "why its evaluation would have stopped"}
    )
