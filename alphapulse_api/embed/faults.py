"""Errors sent from the dashboard's process to its host, with the same class, text and members."""

from __future__ import annotations

import builtins
from typing import Any, Final

from alphapulse_api.domain.errors import (
    PROBLEM_TYPES,
    ConfigError,
    Conflict,
    DashboardClosed,
    NotFound,
    Problem,
    RateLimited,
    Ring,
    StartupError,
    Unavailable,
    ValidationProblem,
)

_PROBLEMS: Final = {
    kind.__name__: kind
    for kind in (Problem, ValidationProblem, NotFound, Conflict, Ring, Unavailable, RateLimited)
}
_LINES: Final = {"ConfigError": ConfigError, "StartupError": StartupError}
_TYPES: Final = {kind.slug: kind for kind in PROBLEM_TYPES}

Fault = dict[str, Any]


def described(error: BaseException) -> Fault:
    """Convert an error to plain values, for `rebuilt`."""
    name = type(error).__name__
    if isinstance(error, Problem):
        return {
            "class": name if name in _PROBLEMS else "Problem",
            "type": error.kind.slug,
            "detail": error.detail,
            "headers": error.headers,
            "extra": error.extra,
        }
    return {"class": name, "detail": str(error)}


def rebuilt(fault: Fault) -> Exception:
    """Rebuild the error that a fault describes.

    Errors of this package and of Python keep their class. Any other becomes a RuntimeError that
    names it.
    """
    name, detail = fault["class"], fault["detail"]
    if "type" in fault:
        return _problem(fault)
    if name == "DashboardClosed":
        return DashboardClosed()
    if name in _LINES:
        return _LINES[name](detail)
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(detail)
        except TypeError:
            pass  # its constructor takes more than a text, as UnicodeDecodeError's does
    return RuntimeError(f"{name} in the dashboard's process: {detail}")


def _problem(fault: Fault) -> Problem:
    kind = _PROBLEMS[fault["class"]]
    problem = kind.__new__(kind)
    # Skip the subclass's constructor: its arguments are already part of these.
    Problem.__init__(
        problem,
        _TYPES[fault["type"]],
        fault["detail"],
        headers=fault["headers"],
        **fault["extra"],
    )
    if isinstance(problem, ValidationProblem):
        problem.errors = fault["extra"]["errors"]
    return problem
