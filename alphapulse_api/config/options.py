"""How a configuration section declares its keys, and how their values are checked and shown.

A section is a frozen dataclass derived from `Section`. Its annotations are the types, and
`option(...)` in a field's metadata holds the rest: the help text, the range, the secrecy. A
field that holds another section needs no option.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from types import UnionType
from typing import Any, ClassVar, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from alphapulse_api.config.durations import format_duration
from alphapulse_api.domain.errors import ConfigError

__all__ = [
    "Check",
    "Key",
    "Option",
    "Section",
    "expected",
    "found",
    "is_section",
    "keys_of",
    "option",
    "split_optional",
    "walk",
]

# What is wrong with a value ("must be at least 1, not 0"), or None.
Check = Callable[[Any], str | None]

# What is longer is not repeated in messages.
_LONGEST_SHOWN = 60
WORD_BITS = 64


@dataclass(frozen=True, slots=True)
class Option:
    """What is known of a key beside its name, type and default."""

    help: str
    check: Check | None = None
    # Set for values that hold secrets: gives the form that may be shown.
    mask: Callable[[str], str] | None = None
    # Written as a duration (90d) in YAML, held in seconds.
    duration: bool = False
    # Given the values of the section, whether this one has any effect.
    needed: Callable[[Mapping[str, Any]], bool] | None = None


class Key(NamedTuple):
    """One key of a section class: its dotted path, field name, type, option and default."""

    path: str
    name: str
    hint: Any
    option: Option
    default: Any


def option(
    help: str,
    check: Check | None = None,
    *,
    mask: Callable[[str], str] | None = None,
    duration: bool = False,
    needed: Callable[[Mapping[str, Any]], bool] | None = None,
) -> dict[str, Option]:
    """Return the metadata of a dataclass field that is a configuration key."""
    return {"option": Option(help, check, mask, duration, needed)}


@dataclass(frozen=True, slots=True)
class Section:
    """Base of the sections: checks the types and ranges of its fields when it is made.

    Whole numbers given for a number become floats, and lists become tuples. Every fault is a
    ConfigError that names the key by its dotted path.
    """

    # Dotted, below dashboard_api; empty for the outermost.
    path: ClassVar[str] = ""
    # Whether YAML may give one value, in the place of a mapping, for every key.
    one_for_all: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for key in keys_of(type(self)):
            value = _checked(key.path, key.hint, key.option, getattr(self, key.name))
            object.__setattr__(self, key.name, value)
        self._check_together()

    def _check_together(self) -> None:
        """Check what depends on more than one field; raises ConfigError."""

    def describe(self) -> dict[str, Any]:
        """Return what is in force as plain YAML values, by field name, with secrets masked."""
        return {
            key.name: _shown(key.option, getattr(self, key.name)) for key in keys_of(type(self))
        }


def keys_of(kind: type[Section]) -> tuple[Key, ...]:
    """Return the keys of a section class in the order they are declared."""
    hints = get_type_hints(kind)
    prefix = f"{kind.path}." if kind.path else ""
    return tuple(
        Key(prefix + item.name, item.name, hints[item.name], _option(item), _default(item))
        for item in fields(kind)
    )


def walk(kind: type[Section]) -> Iterator[Key]:
    """Yield every key that holds a value, in this section class and the sections inside it."""
    for key in keys_of(kind):
        if is_section(key.hint):
            yield from walk(key.hint)
        else:
            yield key


def is_section(hint: Any) -> bool:
    """Whether a field's type is a nested section."""
    return isinstance(hint, type) and issubclass(hint, Section)


def split_optional(hint: Any) -> tuple[Any, bool]:
    """Return the type without its `| None`, and whether it had one."""
    if get_origin(hint) in (UnionType, Union):
        (kind,) = (part for part in get_args(hint) if part is not type(None))
        return kind, True
    return hint, False


# Types, in words


def expected(hint: Any, *, duration: bool = False) -> str:
    """Return the phrase that follows "must be" for a type."""
    kind, optional = split_optional(hint)
    phrases = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    if duration:
        phrase = "a duration"
    elif get_origin(kind) is Literal:
        phrase = "one of " + ", ".join(get_args(kind))
    elif get_origin(kind) is tuple:
        phrase = "a list of texts"
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


def _checked(path: str, hint: Any, about: Option, value: Any) -> Any:
    kind, optional = split_optional(hint)
    if value is None and optional:
        return None
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        item_kind = get_args(kind)[0]
        return tuple(
            _checked(f"{path}[{index}]", item_kind, about, item) for index, item in enumerate(value)
        )
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


def _fits(kind: Any, value: object) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        return False
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


def _shown(about: Option, value: Any) -> Any:
    match value:
        case Section():
            return value.describe()
        case tuple():
            return list(value)
        case str() if about.mask is not None:
            return about.mask(value)
        case float() if about.duration:
            return format_duration(value)
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _option(item: Field[Any]) -> Option:
    option: Option = item.metadata.get("option", Option(help=""))
    return option


def _default(item: Field[Any]) -> Any:
    return item.default_factory() if callable(item.default_factory) else item.default
