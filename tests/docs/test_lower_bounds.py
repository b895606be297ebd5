"""tests/oldest.txt pins the lower bounds that setup.py states."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from tests.commands import ROOT

OF_DEVELOPERS = {"adapters-test", "bench", "browser", "test"}


def stated() -> Mapping[str, Any]:
    """The lists of requirements in setup.py."""
    (call,) = (
        node.value
        for node in ast.parse((ROOT / "setup.py").read_text()).body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )
    names = ("install_requires", "extras_require")
    return {
        keyword.arg: ast.literal_eval(keyword.value)
        for keyword in call.keywords
        if keyword.arg in names
    }


def bounds(lists: Iterable[list[str]]) -> set[tuple[str, Version]]:
    """The lower bounds of requirements that have one."""
    requirements = (Requirement(line) for lines in lists for line in lines)
    return {
        (requirement.name.lower(), Version(spec.version))
        for requirement in requirements
        for spec in requirement.specifier
        if spec.operator == ">="
    }


def test_every_lower_bound_of_users_is_pinned_and_nothing_else() -> None:
    lines = (ROOT / "tests" / "oldest.txt").read_text().splitlines()
    pins = {
        (name.lower(), Version(version))
        for name, version in (line.split("==") for line in lines if not line.startswith("#"))
    }
    own, extras = stated()["install_requires"], stated()["extras_require"]
    of_users = bounds([own, *(extras[extra] for extra in extras.keys() - OF_DEVELOPERS)])
    assert of_users <= pins
    assert pins <= of_users | bounds(extras.values())
