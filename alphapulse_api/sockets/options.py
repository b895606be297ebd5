"""Options of a subscription: in which form a channel is sent, as a table that requests obey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from alphapulse_api.domain.channels import CHANNELS, LOGGED, Channel

Value = str | tuple[str, ...]
Options = Mapping[str, Value]
"""By name, the value of each option that was given."""


class Option(Protocol):
    """What an option may be."""

    def checked(self, value: Any) -> Value:
        """Return the value; raises `ValueError` saying what is allowed."""
        ...

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the value."""
        ...


class Word(NamedTuple):
    """An option whose value is one word.

    Attributes:
        words: the allowed ones; the first is the default.
        description: what it decides.
    """

    words: tuple[str, ...]
    description: str

    def checked(self, value: Any) -> str:
        """Return the value.

        Raises:
            ValueError: saying what is allowed.
        """
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(f"must be {' or '.join(map(repr, self.words))}")
        return value

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the value."""
        return {"type": "string", "enum": list(self.words), "description": self.description}


class Words(NamedTuple):
    """An option whose value is a list of words.

    Attributes:
        words: the allowed ones.
        description: what it decides.
    """

    words: tuple[str, ...]
    description: str

    def checked(self, value: Any) -> tuple[str, ...]:
        """Return the words, each once, in the order of `words`.

        Raises:
            ValueError: saying what is allowed.
        """
        if not isinstance(value, list) or not all(word in self.words for word in value):
            raise ValueError(f"must be a list of {', '.join(map(repr, self.words))}")
        return tuple(word for word in self.words if word in value)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the value."""
        items = {"type": "string", "enum": list(self.words)}
        return {"type": "array", "items": items, "description": self.description}


CHANGES_OF: Final = "portfolio"  # the channel that is also sent as changes
POSITIONS: Final = "positions"
CHANGES: Final = "changes"
INCLUDE: Final = "include"
_FURTHER: Final[Mapping[str, Channel]] = {
    part.type: part for part in LOGGED.values() if part.part_of
}
# By channel and name.
OPTIONS: Final[Mapping[str, Mapping[str, Option]]] = {
    **{name: {} for name in CHANNELS},
    CHANGES_OF: {
        POSITIONS: Word(
            ("whole", CHANGES),
            "whole: every event has all positions; changes: only the first one, and others after "
            "which the client cannot know them",
        )
    },
    "trades": {
        INCLUDE: Words(
            tuple(_FURTHER),
            "further types of events to send; signal needs the permission view_agents",
        )
    },
}


def included(options: Options) -> list[Channel]:
    """The further types of events that options ask for."""
    return [_FURTHER[word] for word in options.get(INCLUDE, ())]


class InvalidOption(ValueError):
    """Options that a channel does not have, or a value that one may not have."""


def options_of(channel: str, given: Any) -> Options:
    """The options of one channel in a request; null means left out.

    Raises:
        InvalidOption: saying what is wrong, and what is allowed.
    """
    if not isinstance(given, dict):
        raise InvalidOption("The options of a channel must be an object.")
    known = OPTIONS[channel]
    found: dict[str, Value] = {}
    for name, value in given.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise InvalidOption(f"{channel} has no option {name[:64]!r}; it has {names}.")
        if value is None:
            continue
        try:
            found[name] = known[name].checked(value)
        except ValueError as error:
            raise InvalidOption(f"The option {name} of {channel} {error}.") from None
    return found
