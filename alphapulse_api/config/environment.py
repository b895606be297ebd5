"""References to environment variables inside configuration values."""

import re
from collections.abc import Mapping

__all__ = ["MissingVariable", "expand", "is_reference"]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# A default stops at the first brace and holds no reference of its own, so that a nested one
# is refused instead of being cut in the wrong place.
_REFERENCE = rf"\$\{{(?P<name>{_NAME})(?::-(?P<default>(?:(?!\$\{{)[^}}])*))?\}}"
_TOKEN = re.compile(rf"\$\$\{{|{_REFERENCE}|\$\{{", re.DOTALL)
_WHOLE = re.compile(_REFERENCE, re.DOTALL)


class MissingVariable(LookupError):
    """A variable is referred to without a default, and is not set or is empty."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def is_reference(text: str) -> bool:
    """Whether `text` is one reference and nothing else."""
    return _WHOLE.fullmatch(text) is not None


def expand(text: str, env: Mapping[str, str]) -> str:
    """Return `text` with every `${NAME}` and `${NAME:-default}` replaced, and `$${` made `${`.

    As in a POSIX shell, `:-` also takes the default's place for a variable that is empty; here
    a reference without a default treats an empty variable as missing too. What a variable
    holds is not expanded again.

    Raises MissingVariable for a variable that is missing and has no default, and ValueError
    for a `${` that begins neither form. Neither repeats the text, which may be a secret.
    """

    def replacement(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        if match["name"] is None:
            raise ValueError(
                "has a ${ that is neither ${NAME} nor ${NAME:-default}; write $${ for a plain ${"
            )
        value = env.get(match["name"], "") or match["default"]
        if value is None:
            raise MissingVariable(match["name"])
        return value

    return _TOKEN.sub(replacement, text)
