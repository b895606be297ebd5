"""Answers that a language model reads: compact JSON, bounded, with foreign text marked as data.

Titles, theses and names come from agents and other systems, and may contain instructions for the
model. Every text that is not a plain word is enclosed in « and », which no text itself can contain,
so the model sees where foreign text begins and ends. JSON keeps the structure of the answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from alphapulse_api.domain.encoding import dumps
from alphapulse_api.domain.times import rfc3339

MAX_CHARACTERS: Final = 6000  # of an answer, some 2,500 tokens
MAX_TEXT: Final = 300  # of a text in a list
FULL_TEXT: Final = 4000  # of a text in an answer about one record
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:+/@-]{0,63}")
_MARKS: Final = str.maketrans("«»", "‹›")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})  # categories of Unicode


def marked(text: str, most: int = MAX_TEXT) -> str:
    """A text from outside, enclosed in « and » unless it is a plain word.

    Args:
        text: any text.
        most: characters after which it is cut.
    """
    if _WORD.fullmatch(text):
        return text
    shown = "".join(map(_visible, text[:most].translate(_MARKS)))
    rest = len(text) - most
    return f"«{shown}»" if rest <= 0 else f"«{shown}…» ({rest} more characters)"


def _visible(character: str) -> str:
    """Characters that are invisible, or change the direction of text, as their code points."""
    if character in "\n\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"<U+{ord(character):04X}>"


def plain(value: Any, most: int = MAX_TEXT) -> Any:
    """A value of the client as JSON: foreign text is marked, and what is empty is left out."""
    match value:
        case str():
            return marked(value, most)
        case float():
            return float(f"{value:.6g}")
        case Decimal():
            return f"{value:f}"
        case datetime():
            return rfc3339(value).replace(".000000Z", "Z")
        case Mapping():
            kept = ((key, item) for key, item in value.items() if item not in (None, {}, [], ""))
            return {marked(str(key), 64): plain(item, most) for key, item in kept}
        case list() | tuple():
            return [plain(item, most) for item in value]
    return value


def answer(content: Mapping[str, Any], most: int = MAX_TEXT) -> str:
    """An answer of at most MAX_CHARACTERS.

    Its lists, the longest first, lose their last elements until it fits; `left_out` has the numbers
    of elements by the name of the list.
    """
    shown = plain(content, most)
    left_out: dict[str, int] = {}
    text = _dumps(shown)
    while len(text) > MAX_CHARACTERS:
        name, rows = _longest(shown)
        if not rows:
            return _dumps({"too_long": "Ask for less: a shorter range, or one record."})
        keep = min(len(rows) - 1, len(rows) * MAX_CHARACTERS // len(text))
        left_out[name] = left_out.get(name, 0) + len(rows) - keep
        shown[name] = rows[:keep]
        text = _dumps({**shown, "left_out": left_out})
    return text


def _longest(content: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """The list of an answer that takes the most room, with its name; without one, an empty list."""
    lists = {name: rows for name, rows in content.items() if isinstance(rows, list) and rows}
    name = max(lists, key=lambda name: len(_dumps(lists[name])), default="")
    return name, lists.get(name, [])


def _dumps(content: Any) -> str:
    return dumps(content).decode()
