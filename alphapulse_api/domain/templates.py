"""Templates of titles and messages: text with placeholders such as `{value}` and `{labels.symbol}`.

A placeholder is a name out of a closed list, or `labels.` and the name of a label. Numbers may have
a format such as `{value:.2f}`. `{{` and `}}` are braces. Nothing else is looked up or evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

NUMBERS: Final = frozenset({"value", "threshold"})
TEXTS: Final = frozenset({"name", "function", "window", "operator"})
LABELS: Final = "labels."
_PIECE: Final = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<inside>[^{}]*)\}|(?P<stray>[{}])")
_FORMAT: Final = re.compile(r"\.(?:[0-9]|1[0-9])[fg%]")


class Placeholder(NamedTuple):
    """One placeholder: the name of a value, and how a number is written."""

    name: str
    format: str = ""


class Template:
    """A template that can be rendered with any values.

    Args:
        text: as a user wrote it.
        labels: the labels that there may be; None: any.

    Raises:
        ValueError: saying why it cannot work, as a sentence.
    """

    __slots__ = ("_parts",)

    def __init__(self, text: str, labels: Collection[str] | None = None) -> None:
        self._parts: list[str | Placeholder] = []
        end = 0
        for match in _PIECE.finditer(text):
            self._parts.append(text[end : match.start()])
            end = match.end()
            if match["stray"] is not None:
                raise ValueError(
                    f"A single {match['stray']} at character {match.start() + 1}: write "
                    f"{2 * match['stray']} for a brace."
                )
            brace = match["brace"]
            self._parts.append(brace[0] if brace else _placeholder(match["inside"], labels))
        self._parts.append(text[end:])

    def __repr__(self) -> str:
        return f"<Template {self._parts}>"

    def render(self, values: Mapping[str, Any], labels: Mapping[str, str]) -> str:
        """The text with its values; a label that is missing is an empty text."""
        return "".join(
            part if isinstance(part, str) else _rendered(part, values, labels)
            for part in self._parts
        )


def _placeholder(inside: str, labels: Collection[str] | None) -> Placeholder:
    if inside.startswith(LABELS):
        name = inside.removeprefix(LABELS)
        if not name or (labels is not None and name not in labels):
            known = ", ".join(sorted(labels)) if labels else "none"
            raise ValueError(f"There is no label {name!r}; the labels here are: {known}.")
        return Placeholder(inside)
    name, colon, spec = inside.partition(":")
    if name not in NUMBERS | TEXTS:
        known = ", ".join(sorted(NUMBERS | TEXTS))
        raise ValueError(f"There is no {{{inside}}}; there are labels.NAME, {known}.")
    if colon and (name not in NUMBERS or not _FORMAT.fullmatch(spec)):
        raise ValueError(f"{{{inside}}} has no such format; numbers have .2f, .3g, .1% and so on.")
    return Placeholder(name, spec)


def _rendered(part: Placeholder, values: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    if part.name.startswith(LABELS):
        return labels.get(part.name.removeprefix(LABELS), "")
    value = values.get(part.name)
    if value is None:
        return "–" if part.name in NUMBERS else ""
    write: Callable[[Any], str] = str if part.name in TEXTS else _number(part.format)
    return write(value)


def _number(spec: str) -> Callable[[float], str]:
    return (lambda value: format(value, spec)) if spec else (lambda value: format(value, ".10g"))
