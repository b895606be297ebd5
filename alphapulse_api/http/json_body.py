"""A JSON body, parsed while it arrives, in steps of bounded work.

A small body is parsed at once. A larger one is cut by a scan for brackets outside strings
(`json_scan.py`): between the elements of its array, or of the arrays among its object's members.
The JSON parser holds the interpreter lock until it returns, and each call gets no more than one
element or 32 KiB. The number, length and depth of the values are known before the call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from alphapulse_api.domain.errors import Problem
from alphapulse_api.http.json_scan import JsonScan, parsed
from alphapulse_api.runtime.slices import Steps, releasing

AT_ONCE_BYTES: Final = 256 * 1024
AT_ONCE_VALUES: Final = 10_000


class JsonBody:
    """Parses one body.

    Args:
        loads: parses a JSON text; raises ValueError.
        array: whether the body may be an array.

    Raises:
        Problem: 400 for what is not JSON or nests too deep, 413 for values that are too many or too
            long, 422 for an array of too many elements.
    """

    def __init__(self, loads: Callable[[bytes], Any], *, array: bool) -> None:
        self._loads = loads
        self._array = array
        self._parts: list[bytes] = []  # of a body that may be parsed at once
        self._size = 0
        self._scan: JsonScan | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was fed."""
        return not self._size

    def feed(self, piece: bytes) -> Steps[None]:
        """Take the next piece, of 64 KiB at most."""
        self._size += len(piece)
        if self._scan is None:
            self._parts.append(piece)
            if self._size <= AT_ONCE_BYTES:
                return
            yield from self._scan_parts()
        else:
            yield from self._scanned(piece)

    def end(self) -> Steps[Any]:
        """The value of the whole body."""
        if self._scan is None:
            whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            # Brackets without commas between them are few, or too deep to be parsed.
            if len(whole) < AT_ONCE_VALUES or whole.count(b",") < AT_ONCE_VALUES:
                return parsed(self._loads, whole)
            yield from self._scan_parts()
        assert self._scan is not None
        return (yield from self._scan.end())

    def _scan_parts(self) -> Steps[None]:
        self._scan = JsonScan(self._loads, array=self._array)
        for part in self._parts:
            yield from self._scanned(part)
        self._parts.clear()

    def _scanned(self, piece: bytes) -> Steps[None]:
        assert self._scan is not None
        try:
            yield from self._scan.feed(piece)
        except Problem:
            for elements in self._scan.lists:
                yield from releasing(elements)
            raise
