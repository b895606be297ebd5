"""Options of a subscription: in which form a channel is sent, as a table that requests obey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from alphapulse_api.domain.channels import CHANNELS

Options = Mapping[str, str]
"""By name, the value of each option that was given."""


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


CHANGES_OF: Final = "portfolio"  # the channel that is also sent as changes
POSITIONS: Final = "positions"
CHANGES: Final = "changes"
# By channel and name.
OPTIONS: Final[Mapping[str, Mapping[str, Word]]] = {
    **{name: {} for name in CHANNELS},
    CHANGES_OF: {
        POSITIONS: Word(
            ("whole", CHANGES),
            "whole: every event has all positions; changes: only the first one, and others after "
            "which the client cannot know them",
        )
    },
}


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
    found = {}
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
