"""What a rule would have done in the past: the same evaluation, with the times of the values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from alphapulse_api.domain.encoding import canonical, loads_stored
from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.rules import PORTFOLIO_FIELDS
from alphapulse_api.domain.times import FIRST_MICROS, from_micros, to_micros
from alphapulse_api.rules.evaluation import Evaluation
from alphapulse_api.rules.groups import Effect, Run, TooManyGroups
from alphapulse_api.rules.rule import Labels, Rule
from alphapulse_api.rules.samples import of_system, samples_of_portfolio
from alphapulse_api.rules.windows import WindowFull
from alphapulse_api.runtime.slices import Slices, Steps
from alphapulse_api.view import View

MAX_VALUES: Final = 200_000
MAX_CHANGES: Final = 1000  # that are shown
PAGE: Final = 5000
STEP_VALUES: Final = 20
# A time, the labels of a value (None: it is a new threshold), and the value.
Value = tuple[int, Labels | None, float | None]
_Reader = Callable[[View, Rule, datetime, datetime], AsyncIterator[Value]]


async def try_rule(
    view: View, slices: Slices, record: Mapping[str, Any], start: datetime, end: datetime
) -> Any:
    """What a rule would have done in [start, end), as `RuleTestAnswer` has it.

    Args:
        view: the records.
        slices: divides the evaluation, which may take seconds.
        record: the validated rule.
        start: values before it only fill the window.
        end: of the range.

    Raises:
        ValidationProblem: if the range is empty or has too many values, or if there is no history
            of what the rule watches.
    """
    if start >= end:
        raise _refusal("/start_time", "Must be before end_time.")
    rule = Rule({"id": "test", "revision": 0, "changed_at": 0, **record})
    values = [value async for value in _values(view, rule, start, end)]
    trial = _Trial(rule, to_micros(start), to_micros(end))
    # By the times alone, so that values of one time keep their order.
    values.sort(key=lambda value: value[0])
    await slices.run(trial.run(values))
    return trial.answer


class _Trial:
    """One evaluation of a rule on values in order."""

    def __init__(self, rule: Rule, start: int, end: int) -> None:
        self._start = start
        self._end = end
        self._evaluation = Evaluation()
        (self._run,) = self._evaluation.change([rule])
        self._effects: list[Effect] = []
        self._count = 0
        if rule.silence and rule.expected is not None:
            self._run.group(rule.expected, start)

    def run(self, values: list[Value]) -> Steps[None]:
        """Evaluate all values, and the time after them."""
        try:
            for number, (at, labels, value) in enumerate(values):
                yield from self._pass_time(min(at, self._end - 1))
                self._take(self._run, at, labels, value)
                if not number % STEP_VALUES:
                    yield
            yield from self._pass_time(self._end - 1)
        except (WindowFull, TooManyGroups) as full:
            self._evaluation.fail(self._run, str(full))
        self._collect()

    def _take(self, run: Run, at: int, labels: Labels | None, value: float | None) -> None:
        if labels is None:
            run.threshold_taker.take(at, 0, value, at)
            return
        group = run.group(labels, at)
        number = group.number(canonical(labels))
        if at < self._start:
            group.remember(at, number, value)
            group.heard = at
        else:
            self._count += 1
            group.take(at, number, value, at)

    def _pass_time(self, now: int) -> Steps[None]:
        while (due := self._evaluation.next_due) is not None and due <= now:
            self._evaluation.tick(due)
            yield

    def _collect(self) -> None:
        self._effects = [
            effect
            for effect in self._evaluation.take_effects()
            if effect.changes_alert and effect.after.since >= self._start
        ]

    @property
    def answer(self) -> dict[str, Any]:
        """What happened."""
        run = self._run
        return {
            "changes": [_shown(run.rule, effect) for effect in self._effects[:MAX_CHANGES]],
            "fired": sum(effect.after.phase.fires for effect in self._effects),
            "firing": sum(group.state.phase.fires for group in run.groups.values()),
            "groups": len(run.groups),
            "values": self._count,
            "error": run.error,
        }


def _shown(rule: Rule, effect: Effect) -> dict[str, Any]:
    title, message = rule.texts(effect.group.labels, effect.value, effect.threshold)
    return {
        "at": from_micros(effect.after.since),
        "change": "fired" if effect.after.phase.fires else "recovered",
        "labels": effect.group.labels,
        "value": effect.value,
        "title": title,
        "message": message,
    }


async def _values(view: View, rule: Rule, start: datetime, end: datetime) -> AsyncIterator[Value]:
    """The values of a range and of the window before it."""
    first = from_micros(max(FIRST_MICROS, to_micros(start) - rule.window))
    count = 0
    async for value in _READERS[rule.watch](view, rule, first, end):
        count += 1
        if count > MAX_VALUES:
            raise _refusal(
                "/start_time",
                f"The range has more than {MAX_VALUES} values: choose a shorter one.",
            )
        yield value


async def _of_metric(
    view: View, rule: Rule, start: datetime, end: datetime
) -> AsyncIterator[Value]:
    metric_type, name = rule.metric
    async for point in _rows(
        view.metrics.get_metrics, metric_type=metric_type, name=name,
        labels=rule.matchers or None, start_time=start, end_time=end,
    ):  # fmt: skip
        yield to_micros(point["timestamp"]), point["labels"], point["value"]
    if rule.threshold_series is not None:
        metric_type, name, labels = rule.threshold_series
        async for point in _rows(
            view.metrics.get_metrics, metric_type=metric_type, name=name,
            labels=loads_stored(labels), start_time=start, end_time=end,
        ):  # fmt: skip
            if canonical(point["labels"]) == labels:
                yield to_micros(point["timestamp"]), None, point["value"]


async def _of_portfolio(
    view: View, rule: Rule, start: datetime, end: datetime
) -> AsyncIterator[Value]:
    if not rule.silence and rule.field not in PORTFOLIO_FIELDS:
        known = ", ".join(PORTFOLIO_FIELDS)
        raise _refusal("/rule/field", f"Only the past of {known} is kept.")
    async for each in view.each_book():
        book = each.books.one
        if rule.book in (None, book):
            read = each.portfolio.get_history
            async for point in _rows(read, start_time=start, end_time=end):
                for labels, value in samples_of_portfolio(rule.field, {**point, "book": book}):
                    yield to_micros(point["timestamp"]), labels, value


async def _of_system(
    view: View, rule: Rule, start: datetime, end: datetime
) -> AsyncIterator[Value]:
    read = view.system.get_system
    async for sample in _rows(read, component=rule.component, start_time=start, end_time=end):
        for labels, value in of_system(sample)(rule):
            yield to_micros(sample["timestamp"]), labels, value


async def _of_agent(view: View, rule: Rule, start: datetime, end: datetime) -> AsyncIterator[Value]:
    raise _refusal("/rule/watch", "Only the newest state of an agent is kept, and not its past.")
    yield  # a generator, like the others


_READERS: Final[Mapping[str, _Reader]] = {
    "metric": _of_metric,
    "portfolio": _of_portfolio,
    "agent": _of_agent,
    "system": _of_system,
}


async def _rows(read: Callable[..., Any], **asked: Any) -> AsyncIterator[Mapping[str, Any]]:
    cursor = None
    while True:
        page = await read(**asked, limit=PAGE, cursor=cursor)
        for row in page:
            yield row
        cursor = page.next_cursor
        if cursor is None:
            return


def _refusal(pointer: str, detail: str) -> ValidationProblem:
    return ValidationProblem([{"pointer": pointer, "detail": detail}])
