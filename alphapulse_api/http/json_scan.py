"""Cuts a JSON text into stretches by its brackets, so that each parser call is bounded.

The cuts need no check of their own: a stretch that the parser accepts as a list of complete values
ends between two elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from alphapulse_api.domain.errors import BAD_REQUEST, TOO_LARGE, Problem, ValidationProblem
from alphapulse_api.runtime.slices import Steps

MAX_ITEMS: Final = 10_000  # of an array
MAX_DEPTH: Final = 250  # containers in one another; orjson writes no more
MAX_ELEMENT_BYTES: Final = 256 * 1024  # metadata of 64 KiB may be three times that, escaped
MAX_ELEMENT_VALUES: Final = 5_000
MAX_VALUES: Final = 1 << 20  # of a body
SPARSE: Final = 16  # bytes a value: 16 MiB of such text hold no more than 2**20 values
GROUP_BYTES: Final = 32 * 1024
GROUP_VALUES: Final = 2_500
STEPS: Final = 128  # brackets in one step

# Possessive quantifiers never backtrack, so the time is linear.
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TEXTS: Final = re.compile(_TEXT, re.DOTALL)
_BRACKET: Final = re.compile(rb'[^"{}\[\]]*+(?:%b[^"{}\[\]]*+)*+([{}\[\]])?' % _TEXT, re.DOTALL)
_MARK: Final = re.compile(rb'[^"{\[,]*+(?:%b[^"{\[,]*+)*+[{\[,]' % _TEXT, re.DOTALL)
_BLANK: Final = b" \t\r\n"
_ARRAY: Final = ord("[")
_END_OF_ARRAY: Final = ord("]")


def values_in(text: bytes) -> int:
    """How many values a JSON text can have at most: those in its strings are counted too."""
    return 1 + text.count(b",") + text.count(b"[") + text.count(b"{")


def has_too_many_values(text: bytes, most: int = MAX_ELEMENT_VALUES) -> bool:
    """Whether a JSON text has more than `most` values; it reads no further than those."""
    # Each value but the first of a container follows a comma; each container has a bracket.
    return (
        len(text) > most
        and values_in(text) > most
        and any(number >= most for number, _ in enumerate(_MARK.finditer(text), 1))
    )


class JsonScan:
    """Cuts a body into stretches, and has them parsed.

    The elements of the body's array, or of the arrays among its object's members, are parsed in
    stretches. The rest of an object is the skeleton, where `[n]` stands for the n-th of its arrays.
    """

    def __init__(self, loads: Callable[[bytes], Any], *, array: bool) -> None:
        self._loads = loads
        self._array = array
        self._text = b""  # received since the last cut
        self._base = 0  # bytes before that
        self._at = 0  # how far the text has been scanned
        self._depth = 0
        self._level = 0  # the depth inside the array whose elements are cut; 0: none is open
        self.lists: list[list[Any]] = []  # the arrays
        self._brackets = 0  # of this element
        self._begin = 0  # where this element begins in the text
        self._values = 0  # of the elements since the last cut
        self._commas = 0  # in them
        self._total = 0
        self._skeleton: list[bytes] = []
        self._skeleton_size = 0
        self._root = b""
        self._guesses = True

    def feed(self, piece: bytes, *, last: bool = False) -> Steps[None]:
        """Take the next piece."""
        self._text += piece
        self._guesses = True
        count = 0
        while True:
            if self._level and self._depth == self._level and self._at == 0 and self._guesses:
                if len(self._text) < GROUP_BYTES and not last:
                    break
                self._guesses = self._guessed()
                yield
                continue
            match = _BRACKET.match(self._text, self._at)
            assert match is not None  # it also matches an empty string
            at = match.end()
            bracket = match[1]
            if bracket is None:
                # The text ends here, perhaps within a string.
                self._at = at
                break
            if bracket in b"{[":
                self._opened(at)
            else:
                self._closed(at)
            count += 1
            if count % STEPS == 0:
                yield
        if len(self._text) + self._skeleton_size > MAX_ELEMENT_BYTES + GROUP_BYTES:
            raise Problem(TOO_LARGE, f"One record may have at most {MAX_ELEMENT_BYTES} bytes.")
        yield

    def end(self) -> Steps[Any]:
        """The value of the body."""
        yield from self.feed(b"", last=True)
        if self._root == b"[" and self._depth == 0 and not self._text.strip(_BLANK):
            return self.lists[0]
        # A text whose brackets do not match fails to parse here.
        text = b"".join((*self._skeleton, self._text))
        if has_too_many_values(text):
            raise _too_many_values()
        yield
        value = parsed(self._loads, text)
        if self._root == b"{" and isinstance(value, dict):
            yield
            for name, member in value.items():
                if isinstance(member, list):
                    value[name] = self.lists[member[0]]
            return value
        if self._root:
            raise Problem(BAD_REQUEST, "The body is not JSON: it ends early, or text follows it.")
        return value

    def _guessed(self) -> bool:
        """Take many elements at once, up to a place where one seems to end; False if none does."""
        cut = max(self._text.rfind(between, 0, GROUP_BYTES) for between in (b"},{", b"}, {")) + 1
        stretch = self._text[:cut]
        if not cut or values_in(stretch) > 2 * GROUP_VALUES:
            return False
        try:
            self._take(stretch)
        except ValueError:
            return False
        self._cut(cut)
        return True

    def _opened(self, at: int) -> None:
        self._depth += 1
        self._brackets += 1
        if self._depth > MAX_DEPTH:
            raise Problem(BAD_REQUEST, "The body is not JSON: the JSON nests too deep.")
        if self._depth == 1:
            self._root = self._text[at - 1 : at]
            if self._text[: at - 1].strip(_BLANK) or self.lists or self._skeleton:
                raise Problem(BAD_REQUEST, f"The body is not JSON: see byte {self._base + at}.")
        if self._depth == 1 and self._root == b"[":
            if not self._array:
                raise ValidationProblem([{"pointer": "", "detail": "The body must be an object."}])
            self._open_list(at)
            return
        if self._depth == 2 and self._root == b"{" and self._text[at - 1] == _ARRAY:
            self._keep(at)
            self._keep_text(b"%d" % len(self.lists))
            self._open_list(0)
            return
        if self._level and self._depth == self._level + 1:
            self._begin = at - 1
            self._brackets = 1
        self._at = at

    def _open_list(self, cut: int) -> None:
        self._level = self._depth
        self.lists.append([])
        self._cut(cut)

    def _closed(self, at: int) -> None:
        self._depth -= 1
        self._at = at
        if not self._level:
            return
        if self._depth == self._level:
            self._element(at)
        elif self._depth < self._level:
            self._stretch(at - 1)
            self._level = 0
            if self._root == b"[" and self._text[0] != _END_OF_ARRAY:
                raise Problem(BAD_REQUEST, f"The body is not JSON: see byte {self._base}.")
            # The skeleton continues with the bracket.
            self._at = 1
            if self._root == b"[":
                self._cut(1)

    def _element(self, at: int) -> None:
        """An element has been scanned."""
        commas = self._text.count(b",", self._begin, at)
        values = self._brackets + commas
        if values > MAX_ELEMENT_VALUES and has_too_many_values(self._text[self._begin : at]):
            raise _too_many_values()
        self._commas += commas
        self._values += values
        if at >= GROUP_BYTES or self._values >= GROUP_VALUES:
            self._stretch(at)

    def _stretch(self, to: int) -> None:
        """Parse the elements since the last cut, and cut."""
        stretch = self._text[:to]
        if stretch.count(b",") - self._commas > MAX_ITEMS + 1:
            raise too_many_items()
        try:
            self._take(stretch)
        except ValueError as error:
            where = f"in what begins at byte {self._base}: "
            raise Problem(BAD_REQUEST, f"The body is not JSON: {where}{error}.") from None
        self._cut(to)

    def _take(self, stretch: bytes) -> None:
        """Take the elements; raises ValueError, and takes nothing, if it is no list of elements."""
        elements = self.lists[-1]
        text = stretch.lstrip(_BLANK)
        if elements:
            if not text:
                return
            if not text.startswith(b","):
                raise ValueError("a comma is missing")
            text = text[1:]
        found = self._loads(b"[%b]" % text)
        if elements and not found:
            raise ValueError("an element is missing after a comma")
        values = values_in(stretch)
        if values > len(stretch) // SPARSE:
            values = values_in(_TEXTS.sub(b"", stretch))
        self._total += values
        if self._total > MAX_VALUES:
            raise Problem(TOO_LARGE, f"A body may have at most {MAX_VALUES} values.")
        if len(elements) + len(found) > MAX_ITEMS:
            raise too_many_items()
        elements += found

    def _keep(self, to: int) -> None:
        """Put the text into the skeleton."""
        self._keep_text(self._text[:to])
        self._cut(to)

    def _keep_text(self, text: bytes) -> None:
        self._skeleton.append(text)
        self._skeleton_size += len(text)

    def _cut(self, to: int) -> None:
        self._text = self._text[to:]
        self._base += to
        self._at = 0
        self._values = self._commas = 0


def parsed(loads: Callable[[bytes], Any], text: bytes) -> Any:
    """The value of a whole body.

    Raises:
        Problem: 400, if it is not JSON.
    """
    try:
        return loads(text)
    except ValueError as error:
        raise Problem(BAD_REQUEST, f"The body is not JSON: {error}.") from None


def too_many_items() -> ValidationProblem:
    """The refusal of an array of too many elements."""
    detail = f"An array may have at most {MAX_ITEMS} elements."
    return ValidationProblem([{"pointer": "", "detail": detail}])


def _too_many_values() -> Problem:
    return Problem(TOO_LARGE, f"One record may have at most {MAX_ELEMENT_VALUES} values.")
