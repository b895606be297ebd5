"""The calls that were sent to the dashboard's process and are not answered yet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from alphapulse_api.embed.calls import Answer, Call
from alphapulse_api.embed.frames import frame

WINDOW_BYTES: Final = 32 << 20  # with more unanswered, sending stops; further calls wait unencoded


@dataclass(slots=True)
class Sent:
    """An unanswered call, which is sent again to the process's successor.

    Attributes:
        frame: the bytes of its frame.
        method: the feed's method.
        count: the number of its records.
        answer: the future on which its caller blocks, if it does.
    """

    frame: bytes
    method: str
    count: int
    answer: Answer | None


class Unanswered:
    """Numbers calls and keeps them until they are answered; thread-safe."""

    def __init__(self) -> None:
        self._calls: dict[int, Sent] = {}
        self._bytes = 0  # of their frames
        self._number = 0
        self._changed = threading.Condition()  # guards all three

    def add(self, call: Call) -> bytes:
        """Number and keep a call; return its frame."""
        with self._changed:
            self._number += 1
            data = frame(call.kind, self._number, call.body)
            self._calls[self._number] = Sent(data, call.method, call.count, call.answer)
            self._bytes += len(data)
        return data

    def take(self, numbers: Iterable[int]) -> list[Sent | None]:
        """Remove and return answered calls; None for one that was already answered."""
        with self._changed:
            taken = [self._calls.pop(number, None) for number in numbers]
            self._bytes -= sum(len(sent.frame) for sent in taken if sent is not None)
            self._changed.notify_all()
        return taken

    def take_all(self) -> list[Sent]:
        """Remove and return all calls."""
        with self._changed:
            left = list(self._calls.values())
            self._calls.clear()
            self._bytes = 0
        return left

    def frames(self) -> list[bytes]:
        """The frames of all calls, in order."""
        with self._changed:
            return [sent.frame for sent in self._calls.values()]

    def wait_for_room(self, ended: Callable[[], bool]) -> None:
        """Wait until few enough bytes are unanswered, or `ended` is true (checked on `wake`)."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes <= WINDOW_BYTES or ended())

    def wake(self) -> None:
        """Make `wait_for_room` check again."""
        with self._changed:
            self._changed.notify_all()
