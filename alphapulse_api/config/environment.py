"""References to environment variables inside configuration values."""

import re
from collections.abc import Mapping

__all__ = ["MissingVariable", "expand", "is_reference"]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# A default ends at the first brace and contains no reference, so that a nested reference is refused
# instead of being cut in the wrong place.
_REFERENCE = rf"\$\{{(?P<name>{_NAME})(?::-(?P<default>(?:(?!\$\{{)[^}}])*))?\}}"
_TOKEN = re.compile(rf"\$\$\{{|{_REFERENCE}|\$\{{", re.DOTALL)
_WHOLE = re.compile(_REFERENCE, re.DOTALL)


class MissingVariable(LookupError):
    """A variable without a default is not set, or is empty."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def is_reference(text: str) -> bool:
    """Whether `text` is one reference and nothing else."""
    return _WHOLE.fullmatch(text) is not None


def expand(text: str, env: Mapping[str, str]) -> str:
    """Return `text` with every `${NAME}` and `${NAME:-default}` replaced, and `$${` made `${`.

    As in a POSIX shell, `:-` uses the default for an empty variable as well. A reference without a
    default treats an empty variable as missing. The value of a variable is not expanded again.

    Raises:
        MissingVariable: if a variable without a default is missing.
        ValueError: for a `${` that begins neither form. The text is not repeated: it may be a
            secret.
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
