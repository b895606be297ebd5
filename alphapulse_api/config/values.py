"""Checks of the value of one key, and the wording of its faults."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from alphapulse_api.domain.errors import ConfigError

__all__ = ["WORD_BITS", "Check", "Option", "check_value", "expected", "found", "split_optional"]

# Returns the fault of a value ("must be at least 1, not 0"), or None.
Check = Callable[[Any], str | None]

# Messages repeat no more characters of a value than this.
_LONGEST_SHOWN = 60
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class Option:
    """The properties of a key beside its name, type and default."""

    help: str
    check: Check | None = None
    # Returns the masked form of a secret; None if the value is not a secret.
    mask: Callable[[str], str] | None = None
    # Whether it is a duration: written as such (90d) in YAML, and held in seconds.
    duration: bool = False
    # Returns whether the key has any effect, given the values of its section.
    needed: Callable[[Mapping[str, Any]], bool] | None = None
    # The key in YAML, where that is a word that Python reserves; otherwise the field's name.
    word: str = ""


def split_optional(hint: Any) -> tuple[Any, bool]:
    """Return the type without its `| None`, and whether it had one."""
    if get_origin(hint) in (UnionType, Union):
        (kind,) = (part for part in get_args(hint) if part is not type(None))
        return kind, True
    return hint, False


def expected(hint: Any, *, duration: bool = False) -> str:
    """Return the phrase that follows "must be" for a type."""
    kind, optional = split_optional(hint)
    phrases = {
        bool: "true or false", int: "an integer", float: "a number", str: "text",
        dict: "a mapping",
    }  # fmt: skip
    if duration:
        phrase = "a duration"
    elif get_origin(kind) is Literal:
        phrase = "one of " + ", ".join(get_args(kind))
    elif get_origin(kind) is tuple:
        phrase = "a list of texts" if get_args(kind)[0] is str else "a list of mappings"
    elif get_origin(kind) is Mapping:
        phrase = "a mapping of names to mappings"
    else:
        phrase = phrases.get(kind) or kind.__name__
    return f"{phrase} or null" if optional else phrase


def found(value: object, *, secret: bool = False) -> str:
    """Return the phrase that follows "not": the kind of a value and, unless secret, the value."""
    match value:
        case None:
            return "null"
        case bool():
            kind, text = "a boolean", str(value).lower()
        case int():
            kind, text = "an integer", str(value) if value.bit_length() <= WORD_BITS else ""
        case float():
            kind, text = "a number", repr(value)
        case str():
            kind, text = "text", repr(value[:_LONGEST_SHOWN])
        case Mapping():
            kind, text = "a mapping", ""
        case list() | tuple():
            kind, text = "a list", ""
        case _:
            kind, text = f"a {type(value).__name__}", ""
    return kind if secret or not text else f"{kind} ({text})"


def check_value(path: str, hint: Any, about: Option, value: Any) -> Any:
    """Return the value in the form in which a section holds it.

    Raises:
        ConfigError: with each fault of the value, under its dotted path.
    """
    kind, optional = split_optional(hint)
    if value is None and optional:
        return None
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        return _check_items(path, get_args(kind)[0], about, value)
    if get_origin(kind) is Mapping and isinstance(value, Mapping):
        return _check_named(path, get_args(kind)[1], about, value)
    if not _fits(kind, value):
        shown = found(value, secret=about.mask is not None)
        raise ConfigError(f"{path}: must be {expected(hint)}, not {shown}")
    if isinstance(value, str) and not _is_unicode(value):
        raise ConfigError(f"{path}: must be valid Unicode text")
    if kind is float:
        value = _finite(path, value)
    problem = about.check(value) if about.check is not None else None
    if problem is not None:
        raise ConfigError(f"{path}: {problem}")
    return value


def _check_items(path: str, hint: Any, about: Option, items: Sequence[Any]) -> tuple[Any, ...]:
    values: list[Any] = []
    faults: list[str] = []
    for index, item in enumerate(items):
        try:
            values.append(check_value(f"{path}[{index}]", hint, about, item))
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(*faults)
    return tuple(values)


def _check_named(path: str, hint: Any, about: Option, items: Mapping[Any, Any]) -> dict[str, Any]:
    faults = [
        f"{path}: a name must be made of the letters a to z, digits, - and _, not {found(name)}"
        for name in items
        if not isinstance(name, str) or _NAME.fullmatch(name) is None
    ]
    if faults:
        raise ConfigError(*faults)
    return {
        name: check_value(f"{path}.{name}", hint, about, value) for name, value in items.items()
    }


def _fits(kind: Any, value: object) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) in (tuple, Mapping):
        return False
    if get_origin(kind) is dict:
        return isinstance(value, dict)
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, int | float if kind is float else kind)


def _is_unicode(text: str) -> bool:
    # An environment variable that is not UTF-8 reaches Python as lone surrogates.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(path: str, value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{path}: must be a finite number")
    return number
