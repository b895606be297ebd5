"""The rules that the configuration states: its own, and those of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from alphapulse_api.config import Config
from alphapulse_api.config.reading import read_yaml
from alphapulse_api.domain.errors import ConfigError, ValidationProblem
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.rules import RuleRequest

_RULE: Final = RuleRequest()
_KEY: Final = "rules"


def configured_rules(config: Config) -> list[dict[str, Any]]:
    """The rules of a configuration, validated.

    Raises:
        ConfigError: with a line for each fault, which names the file and the key.
    """
    faults: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for where, given in _stated(config, faults):
        try:
            rule = load(_RULE, given)
        except ValidationProblem as problem:
            faults += [_fault(where, error) for error in problem.errors]
            continue
        if "id" not in rule:
            faults.append(f"{where}.id: is required")
        elif rule["id"] in found:
            faults.append(f"{where}.id: {rule['id']!r} is the id of another rule")
        else:
            found[rule["id"]] = rule
    if faults:
        raise ConfigError(*faults)
    return list(found.values())


def _stated(config: Config, faults: list[str]) -> Iterable[tuple[str, Any]]:
    """Each rule, and where it is stated."""
    for index, rule in enumerate(config.rules):
        yield f"{_KEY}[{index}]", rule
    for path in config.rules_files:
        try:
            data = read_yaml(path)
        except ConfigError as error:
            faults += [f"rules_files: {fault}" for fault in error.faults]
            continue
        rules = data.get(_KEY) if isinstance(data, Mapping) and len(data) == 1 else None
        if not isinstance(rules, list):
            faults.append(f"rules_files: {path}: must have a list of rules under the key {_KEY}")
            continue
        for index, rule in enumerate(rules):
            yield f"{path}: {_KEY}[{index}]", rule


def _fault(where: str, error: Mapping[str, Any]) -> str:
    key = str(error["pointer"]).replace("/", ".")
    return f"{where}{key}: {error['detail'].rstrip('.')}"
