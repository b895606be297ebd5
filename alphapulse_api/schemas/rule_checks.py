"""What cannot work in a rule: fields that do not fit together, and templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alphapulse_api.domain.rules import (
    FUNCTIONS,
    OPERATORS,
    RISING,
    SILENCE,
    WATCHES,
    is_portfolio_field,
)
from alphapulse_api.domain.templates import Template

# The fields that say what is watched, by the kind of thing; the first ones are required.
_WATCHED: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "metric": (("metric_type", "metric_name"), ("matchers",)),
    "portfolio": (("field",), ("book",)),
    "agent": (("field",), ("agent_id",)),
    "system": (("field",), ("component",)),
}
_OF_VALUES: Final = ("operator", "threshold", "threshold_series", "recover", "field")


def faults_of(record: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is wrong, by field.

    Args:
        record: the fields that are valid by themselves.
    """
    errors = {**_of_watch(record), **_of_function(record)}
    if (threshold := _of_threshold(record)) is not None:
        errors.setdefault("threshold", [threshold])
    if (recover := _of_recover(record)) is not None:
        errors.setdefault("recover", [recover])
    names = _labels(record)
    for name in ("title", "message"):
        if isinstance(text := record.get(name), str):
            try:
                Template(text, names)
            except ValueError as error:
                errors.setdefault(name, [str(error)])
    return errors


def _of_watch(record: Mapping[str, Any]) -> dict[str, list[str]]:
    watch = record.get("watch", "metric")
    required, allowed = _WATCHED.get(watch, ((), ()))
    errors = {}
    silence = record.get("function") == SILENCE
    for fields_of, optional in _WATCHED.values():
        for name in (*fields_of, *optional):
            if name not in (*required, *allowed) and record.get(name) is not None:
                errors[name] = [f"A rule that watches {watch} has no {name}."]
    for name in required:
        if record.get(name) is None and not (silence and name == "field"):
            errors[name] = [f"Missing: a rule that watches {watch} has it."]
    field = record.get("field")
    if watch == "portfolio" and field is not None and not is_portfolio_field(field):
        errors["field"] = [
            "Must be total_value, cash, positions_value, performance.NAME, or positions. and "
            "weight, value, quantity, unrealized_pnl or unrealized_pnl_pct."
        ]
    known = WATCHES.get(watch)
    for label in record.get("group_by") or ():
        if known is not None and label not in known:
            errors["group_by"] = [f"There is no label {label!r} here, but: {', '.join(known)}."]
    return errors


def _of_function(record: Mapping[str, Any]) -> dict[str, list[str]]:
    function = record.get("function", "last")
    errors = {}
    needs = FUNCTIONS.get(function, False)
    if needs and record.get("window") is None:
        errors["window"] = [f"Missing: {function} needs one."]
    if not needs and record.get("window") is not None:
        errors["window"] = [f"{function} has none: leave it out."]
    if function == SILENCE:
        for name in _OF_VALUES:
            if record.get(name) is not None:
                errors[name] = ["Silence is not compared with anything: leave it out."]
    elif record.get("operator") is None:
        errors["operator"] = [f"Missing: one of {', '.join(OPERATORS)}."]
    return errors


def _of_threshold(record: Mapping[str, Any]) -> str | None:
    given = [name for name in ("threshold", "threshold_series") if record.get(name) is not None]
    if record.get("function") != SILENCE and len(given) != 1:
        return "Give a finite threshold or a threshold_series, and not both."
    return None


def _of_recover(record: Mapping[str, Any]) -> str | None:
    recover, threshold = record.get("recover"), record.get("threshold")
    sign = record.get("operator")
    if recover is None or sign is None:
        return None
    if threshold is None or sign in ("==", "!="):
        return "Needs a number as the threshold, and one of >, >=, <, <=."
    if (recover > threshold) if sign in RISING else (recover < threshold):
        return f"With {sign} it must be {'at most' if sign in RISING else 'at least'} {threshold}."
    return None


def _labels(record: Mapping[str, Any]) -> frozenset[str] | None:
    """The labels that a template may name; None: any."""
    group_by = record.get("group_by")
    watch = record.get("watch", "metric")
    own = record.get("labels") or {}
    if group_by is not None:
        return frozenset({*group_by, *own, "book"})
    known = WATCHES.get(watch)
    return None if known is None else frozenset({*known, *own})
