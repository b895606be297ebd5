"""Reads a YAML file into configuration sections."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar, get_origin

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from alphapulse_api.config.durations import parse_duration
from alphapulse_api.config.environment import MissingVariable, expand, is_reference
from alphapulse_api.config.options import (
    Key,
    Section,
    broken_conditions,
    checked,
    is_section,
    keys_of,
    section_of_items,
    walk,
)
from alphapulse_api.config.values import found, split_optional
from alphapulse_api.domain.errors import ConfigError

__all__ = ["build_section", "read_yaml"]

S = TypeVar("S", bound=Section)

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_MERGE_TAG = "tag:yaml.org,2002:merge"


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """Return the content of a UTF-8 file with one YAML document.

    Raises:
        ConfigError: if it cannot be read; names the file and, where possible, the line.
    """
    name = os.fspath(path)
    try:
        with open(name, encoding="utf-8-sig") as file:
            text = file.read()
    except FileNotFoundError:
        raise ConfigError(f"{name}: no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: is not UTF-8 text (at byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    try:
        return yaml.load(text, _Loader)  # noqa: S506, the loader is a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{name}{line}: {_yaml_problem(error)}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{name}: has a character that YAML does not allow") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply") from None


def build_section(kind: type[S], data: Any, env: Mapping[str, str]) -> S:
    """Return the section for a mapping of plain YAML values; missing keys have their defaults.

    `null` counts as an empty mapping, because YAML reads a key with nothing below it as null.

    Raises:
        ConfigError: with a line for each fault in the mapping, which names its key.
    """
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        shown = found(data, secret=True)
        raise ConfigError(f"{kind.path or 'dashboard_api'}: must be a mapping of keys, not {shown}")
    faults = list(_unknown_keys(kind, data))
    failed: set[str] = set()
    values: dict[str, Any] = {}
    missing: list[tuple[Key, str]] = []
    for key in keys_of(kind):
        if key.word not in data:
            continue
        try:
            values[key.name] = checked(key, _read(key, data[key.word], env))
        except MissingVariable as error:
            missing.append((key, error.name))
        except ConfigError as error:
            faults.extend(error.faults)
            failed.add(key.name)
    in_force = {key.name: values.get(key.name, key.default) for key in keys_of(kind)}
    for key, variable in missing:
        if key.option.needed is None or key.option.needed(in_force):
            faults.append(f"{key.path}: environment variable {variable} is not set")
            failed.add(key.name)
    faults.extend(broken_conditions(kind, in_force, failed))
    if faults:
        raise ConfigError(*faults)
    return kind(**values)


def _read(key: Key, raw: Any, env: Mapping[str, str]) -> Any:
    """Return the value of one key, not yet checked."""
    if is_section(key.hint):
        if raw is None or isinstance(raw, Mapping) or not key.hint.one_for_all:
            return build_section(key.hint, raw, env)
        value = _read_value(key.path, keys_of(key.hint)[0], raw, env)
        return key.hint(**{item.name: value for item in keys_of(key.hint)})
    if (item_kind := section_of_items(key.hint)) is not None:
        return _read_items(key, item_kind, raw, env)
    return _read_value(key.path, key, raw, env)


def _read_items(key: Key, kind: type[Section], raw: Any, env: Mapping[str, str]) -> Any:
    """Return the sections of a list or of a mapping; another value is returned as it is."""
    named = get_origin(key.hint) is Mapping
    if raw is None:
        return {} if named else ()
    listed: Iterable[tuple[str, Any, Any]]
    if named and isinstance(raw, Mapping):
        listed = ((f"{key.path}.{name}", name, item) for name, item in raw.items())
    elif not named and isinstance(raw, list):
        listed = ((f"{key.path}[{at}]", at, item) for at, item in enumerate(raw))
    else:
        return raw
    items: dict[Any, Section] = {}
    faults: list[str] = []
    for path, name, item in listed:
        try:
            items[name] = build_section(kind, item, env)
        except ConfigError as error:
            faults += (path + fault.removeprefix(kind.path) for fault in error.faults)
    if faults:
        raise ConfigError(*faults)
    return items if named else list(items.values())


def _read_value(path: str, key: Key, raw: Any, env: Mapping[str, str]) -> Any:
    try:
        if isinstance(raw, list) and get_origin(key.hint) is tuple:
            return [expand(item, env) if isinstance(item, str) else item for item in raw]
        if isinstance(raw, str):
            text = expand(raw, env)
            value = _from_text(key.hint, text) if is_reference(raw) else text
        else:
            value = raw
        if key.option.duration and value is not None:
            if not isinstance(value, str):
                raise ValueError(f"must be a duration such as 90d or null, not {found(value)}")
            value = parse_duration(value)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    return value


def _from_text(hint: Any, text: str) -> Any:
    """Return a variable's text converted to the key's type; unchanged if that is impossible."""
    kind, optional = split_optional(hint)
    if optional and not text:
        return None
    if kind is bool:
        return _BOOLEANS.get(text.strip().lower(), text)
    if kind is int and re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", text):
        return int(text)
    if kind is float:
        try:
            return float(text)
        except ValueError:
            return text
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _unknown_keys(kind: type[Section], data: Mapping[Any, Any]) -> Iterator[str]:
    known = [key.word for key in keys_of(kind)]
    prefix = f"{kind.path}." if kind.path else ""
    for name in data:
        if name not in known:
            hint = _suggestion(kind, str(name), known)
            yield f"{prefix}{_one_line(name)}: unknown key; {hint}"


def _suggestion(kind: type[Section], name: str, known: list[str]) -> str:
    prefix = f"{kind.path}." if kind.path else ""
    nearest = [prefix + match for match in get_close_matches(name, known, n=1)]
    elsewhere = [key.path for key in walk(kind) if key.word == name]
    for path in nearest + elsewhere:
        return f"did you mean {path}?"
    return "the keys here are " + ", ".join(known)


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    # YAML reads an unquoted secret that begins with *, & or ! as a name, and quotes it in errors.
    named = r"(alias|anchor|tag handle|tag) '.*?'(?=$|;)"
    problem = re.sub(named, r"\1", error.problem or error.context or "is not valid YAML")
    return _one_line(problem)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys, and reports every fault with its line."""

    def compose_mapping_node(self, anchor: dict[Any, Any]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE_TAG:
                continue
            if (key.tag, key.value) in seen:
                raise ComposerError(
                    None, None, f"the key {_one_line(key.value)} is given twice", key.start_mark
                )
            seen.add((key.tag, key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError, OverflowError):
            # PyYAML lets these errors through, such as for the date 2024-13-45 or "!!bool maybe".
            # They have no line, and may quote the value.
            message = "a value that YAML takes for a number or a date, and is not one"
            raise ConstructorError(None, None, message, node.start_mark) from None
