"""Fields of text: names, ids, words of a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields, validate

from alphapulse_api.domain.books import BOOK
from alphapulse_api.schemas.fields.base import BaseField, kind_of, text_of
from alphapulse_api.schemas.quick import UNUSUAL, Check

RESERVED_IDS: Final = frozenset({"batch", "export", "import", "latest"})
# The API documents have these patterns: they mean the same to Python and to ECMA-262.
METRIC_TYPE: Final = "[a-z][a-z0-9_]{0,63}"
WORD: Final = "[a-z][a-z0-9_]{0,63}"
# Text that a client can put into a URL path unescaped, and that a person can read in a log: no
# control characters, no white space, and no braces, which aiohttp's routes do not accept. It also
# names characters that are white space to only one of Python and ECMA-262.
IDENTIFIER: Final = r"[^\s\x00-\x1f\x7f\x85\ufeff/?#%{}\\]{1,128}"
# The same in the documents without those, because no notation of a character beyond ASCII is
# understood in the patterns of all languages: Ruby refuses \x85, and PHP refuses \u0085.
PORTABLE_IDENTIFIER: Final = r"[^\s\x00-\x1f\x7f/?#%{}\\]{1,128}"

_METRIC_TYPE: Final = re.compile(METRIC_TYPE)
_IDENTIFIER: Final = re.compile(IDENTIFIER)
_USUAL_ID: Final = re.compile("[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")
_WORD: Final = re.compile(WORD)
_BOOK: Final = re.compile(BOOK)
_STEPS: Final = frozenset({".", ".."})  # path segments that clients and proxies remove
_MAX_ID_DIGITS: Final = 128


def clean(text: str) -> str:
    """Text that every store and every reader can hold.

    Raises:
        ValidationError: if it holds a NUL or half a surrogate pair.
    """
    if "\x00" in text:
        raise ValidationError("The text holds a NUL character.")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValidationError("The text is not valid Unicode.") from None
    return text


def _is_usual(text: str) -> bool:
    return text.isascii() and "\x00" not in text


class _Textual(BaseField, fields.String):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) and not isinstance(value := text_of(value), str):
            raise ValidationError(f"Not text but {kind_of(value)}.")
        return clean(value)


def _from_integer(value: Any) -> Any:
    """The text of an id that is a number, as at many venues."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**_MAX_ID_DIGITS else value
    return value


class Text(_Textual):
    """A string of `shortest` to `longest` characters.

    Args:
        longest: characters at most.
        shortest: characters at least.
        number: accept an integer too, as its digits.
    """

    def __init__(
        self, longest: int, shortest: int = 1, *, number: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(validate=validate.Length(shortest, longest), **kwargs)
        self._shortest, self._longest = shortest, longest
        self._number = number

    def usual_check(self) -> Check:
        shortest, longest = self._shortest, self._longest

        def checked(value: Any) -> Any:
            if type(value) is str and shortest <= len(value) <= longest and _is_usual(value):
                return value
            return UNUSUAL

        return checked

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if self._number:
            value = _from_integer(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Identifier(_Textual):
    """An id: 1 to 128 characters that need no escape in a URL path, and no path segment of the API.

    An integer is accepted as its digits.
    """

    def usual_check(self) -> Check:
        def checked(value: Any) -> Any:
            if type(value) is str and _USUAL_ID.fullmatch(value) and value not in RESERVED_IDS:
                return value
            return UNUSUAL

        return checked

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(_from_integer(value), attr, data, **kwargs)
        if not _IDENTIFIER.fullmatch(text) or text in _STEPS:
            raise ValidationError("1 to 128 characters, without white space and / ? # % { } \\.")
        if text in RESERVED_IDS:
            raise ValidationError(f"{text!r} is not allowed as an id: it names a path of the API.")
        return text


DEFAULT_BOOK: Final = "default: the caller's home book, usually main"


class BookId(_Textual):
    """The id of a book: a slug.

    Args:
        none: accept an empty text too, for an alert of no book.
    """

    def __init__(self, *, none: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.none = none

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not _BOOK.fullmatch(text) and not (self.none and not text):
            raise ValidationError(
                "Must be a lower-case letter or digit, then up to 63 lower-case letters, digits, "
                "- or _, such as main."
            )
        return text


class Choice(_Textual):
    """One word of a closed list, in any case.

    A list with a name has a subclass of that name; the API documents define it once, by that name.

    Args:
        words: the list, in lower case, if the class has none.

    Attributes:
        words: the list.
        spellings: other words that are accepted, and the words they stand for.
    """

    words: Sequence[str] = ()
    spellings: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *words: str, **kwargs: Any) -> None:
        self.words = words or self.words
        super().__init__(validate=validate.OneOf(self.words), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        word = super()._deserialize(value, attr, data, **kwargs).lower()
        return self.spellings.get(word, word)


class Word(_Textual):
    """A word of an open list, such as `stop_limit`, in any case; `stop-limit` is the same."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        word = super()._deserialize(value, attr, data, **kwargs)
        word = word.lower().replace("-", "_")
        if not _WORD.fullmatch(word):
            raise ValidationError("Not a word of a-z, 0-9 and _, such as stop_limit.")
        return word


class MetricType(_Textual):
    """The type of a metric."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not _METRIC_TYPE.fullmatch(text):
            raise ValidationError(
                "Must be a lower-case letter, then up to 63 lower-case letters, digits or _."
            )
        return text
