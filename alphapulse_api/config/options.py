"""How a configuration section declares its keys, and how their values are checked and shown.

A section is a frozen dataclass derived from `Section`. Its annotations are the types, and
`option(...)` in a field's metadata holds the rest: the help text, the range, the secrecy. A
field that holds another section needs no option.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar, NamedTuple, get_args, get_origin, get_type_hints

from alphapulse_api.config.durations import format_duration
from alphapulse_api.config.values import Check, Option, check_value
from alphapulse_api.domain.errors import ConfigError

__all__ = [
    "Condition",
    "Key",
    "Section",
    "broken_conditions",
    "checked",
    "is_section",
    "keys_of",
    "option",
    "section_of_items",
    "walk",
]


class Key(NamedTuple):
    """One key of a section class: dotted path, field name, type, option and default.

    The path of a key in an item of a list contains `[]`, and in a named item `NAME`.
    """

    path: str
    name: str
    hint: Any
    option: Option
    default: Any

    @property
    def word(self) -> str:
        """The key in YAML."""
        return self.option.word or self.name


class Condition(NamedTuple):
    """A condition on several keys of a section.

    Attributes:
        names: the field names it depends on.
        check: called with their values in that order; returns what is wrong, naming the key by its
            path, or None.
    """

    names: tuple[str, ...]
    check: Callable[..., str | None]


def option(
    help: str,
    check: Check | None = None,
    *,
    mask: Callable[[str], str] | None = None,
    duration: bool = False,
    needed: Callable[[Mapping[str, Any]], bool] | None = None,
    word: str = "",
) -> dict[str, Option]:
    """Return the metadata of a dataclass field that is a configuration key."""
    return {"option": Option(help, check, mask, duration, needed, word)}


@dataclass(frozen=True, slots=True)
class Section:
    """Base of the sections: checks the types and ranges of its fields when it is created.

    Integers given for a number become floats, and lists become tuples.

    Raises:
        ConfigError: with a line for each fault, which names the key by its dotted path.
    """

    # The dotted path below dashboard_api; empty for the outermost section.
    path: ClassVar[str] = ""
    # Whether YAML may give one value for all keys instead of a mapping.
    one_for_all: ClassVar[bool] = False
    # Conditions on more than one key.
    conditions: ClassVar[tuple[Condition, ...]] = ()

    def __post_init__(self) -> None:
        faults: list[str] = []
        failed: set[str] = set()
        for key in keys_of(type(self)):
            try:
                object.__setattr__(self, key.name, checked(key, getattr(self, key.name)))
            except ConfigError as error:
                faults.extend(error.faults)
                failed.add(key.name)
        values = {key.name: getattr(self, key.name) for key in keys_of(type(self))}
        faults.extend(broken_conditions(type(self), values, failed))
        if faults:
            raise ConfigError(*faults)

    def describe(self) -> dict[str, Any]:
        """Return the configuration in force as YAML values, by field name, with secrets masked."""
        return {
            key.word: _shown(key.option, getattr(self, key.name)) for key in keys_of(type(self))
        }


# Cached by class: computing the keys took a quarter of the CPU time at start.
_keys: dict[type[Section], tuple[Key, ...]] = {}


def keys_of(kind: type[Section]) -> tuple[Key, ...]:
    """Return the keys of a section class in the order they are declared."""
    if kind not in _keys:
        hints = get_type_hints(kind)
        prefix = f"{kind.path}." if kind.path else ""
        _keys[kind] = tuple(
            Key(
                prefix + (_option(item).word or item.name),
                item.name,
                hints[item.name],
                _option(item),
                _default(item),
            )
            for item in fields(kind)
        )
    return _keys[kind]


def checked(key: Key, value: Any) -> Any:
    """Return the value of a key as the section holds it.

    Raises:
        ConfigError: with each fault of the value.
    """
    return check_value(key.path, key.hint, key.option, value)


def broken_conditions(
    kind: type[Section], values: Mapping[str, Any], failed: Collection[str]
) -> Iterator[str]:
    """Yield the faults of values that do not fit together.

    Args:
        kind: the section class.
        values: all values, by field name.
        failed: the fields whose own values are faulty; conditions that depend on them are skipped.
    """
    for condition in kind.conditions:
        if not any(name in failed for name in condition.names):
            fault = condition.check(*(values[name] for name in condition.names))
            if fault is not None:
                yield fault


def walk(kind: type[Section], *, items: bool = False) -> Iterator[Key]:
    """Yield every key that holds a value, in this section class and the sections inside it.

    Args:
        kind: the section class.
        items: whether to yield also the keys of what lists and mappings of sections contain.
    """
    for key in keys_of(kind):
        if is_section(key.hint):
            yield from walk(key.hint, items=items)
            continue
        yield key
        if items and (item := section_of_items(key.hint)) is not None:
            yield from walk(item, items=True)


def section_of_items(hint: Any) -> type[Section] | None:
    """Return the class of the sections that a list or a mapping contains; None for other types."""
    if get_origin(hint) not in (tuple, Mapping):
        return None
    item = get_args(hint)[0 if get_origin(hint) is tuple else 1]
    return item if is_section(item) else None


def is_section(hint: Any) -> bool:
    """Whether a field's type is a nested section."""
    return isinstance(hint, type) and issubclass(hint, Section)


def _shown(about: Option, value: Any) -> Any:
    match value:
        case Section():
            return value.describe()
        case tuple() | list():
            return [_shown(about, item) for item in value]
        case dict():
            return {name: _shown(about, item) for name, item in value.items()}
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
