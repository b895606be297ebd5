"""The calls that the dashboard's process has been sent and has not answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from alphapulse_api.embed.calls import Answer, Call
from alphapulse_api.embed.frames import frame

WINDOW_BYTES: Final = 32 << 20  # beyond them nothing more is sent; further calls wait unencoded


@dataclass(slots=True)
class Sent:
    """A call that is not answered; sent again to the process's successor.

    Attributes:
        frame: its bytes.
        method: the feed's method.
        count: the call's records.
        answer: where its caller waits, if one does.
    """

    frame: bytes
    method: str
    count: int
    answer: Answer | None


class Unanswered:
    """Numbers calls, and keeps them until they are answered; for any thread."""

    def __init__(self) -> None:
        self._calls: dict[int, Sent] = {}
        self._bytes = 0  # in these
        self._number = 0
        self._changed = threading.Condition()  # guards all three

    def add(self, call: Call) -> bytes:
        """Keep a call; returns its frame."""
        with self._changed:
            self._number += 1
            data = frame(call.kind, self._number, call.body)
            self._calls[self._number] = Sent(data, call.method, call.count, call.answer)
            self._bytes += len(data)
        return data

    def take(self, numbers: Iterable[int]) -> list[Sent | None]:
        """Remove calls that are answered; None for one that was answered before."""
        with self._changed:
            taken = [self._calls.pop(number, None) for number in numbers]
            self._bytes -= sum(len(sent.frame) for sent in taken if sent is not None)
            self._changed.notify_all()
        return taken

    def take_all(self) -> list[Sent]:
        """Remove all."""
        with self._changed:
            left = list(self._calls.values())
            self._calls.clear()
            self._bytes = 0
        return left

    def frames(self) -> list[bytes]:
        """The frames of all, in their order."""
        with self._changed:
            return [sent.frame for sent in self._calls.values()]

    def wait_for_room(self, ended: Callable[[], bool]) -> None:
        """Wait while too many bytes are unanswered; `ended`, after `wake`, ends the wait."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes <= WINDOW_BYTES or ended())

    def wake(self) -> None:
        """Let `wait_for_room` look again."""
        with self._changed:
            self._changed.notify_all()
