"""The host's side of its dashboard's process: keeps it running, sends calls, hands out answers."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import sleep
from typing import Final
from urllib.parse import urlsplit

from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.embed.addresses import Addresses
from alphapulse_api.embed.calls import Answer, Call
from alphapulse_api.embed.faults import rebuilt
from alphapulse_api.embed.frames import Frame, Kind, chunks_of, frame, loads
from alphapulse_api.embed.hello import Hello
from alphapulse_api.embed.merging import sendable
from alphapulse_api.embed.process import Process
from alphapulse_api.embed.queue import CallQueue, Given
from alphapulse_api.record.counting import reason_of
from alphapulse_api.record.stats import FeedCounters, FeedStats

logger = logging.getLogger(__name__)

WINDOW_BYTES: Final = 32 << 20  # sent and unanswered; further calls wait unencoded
TAKEN_TOGETHER: Final = 256  # calls
PAUSE_SECONDS: Final = 0.0001  # between encoded chunks: the host's other threads get their turn
FIRST_DELAY: Final = 0.1  # seconds before a process that has ended is started again; doubles
LAST_DELAY: Final = 5.0
CLOSE_SECONDS: Final = 10.0  # beyond shutdown_timeout


@dataclass(slots=True)
class Sent:
    """A call that the process has not answered; sent again to its successor.

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


class Link:
    """Runs the process from `open` to `close`.

    Two threads serve it: one starts the process and sends calls, the other reads answers.

    Args:
        hello: what the process is sent at its start.
        queue: where calls come from.
        counters: what became of them is counted there.
    """

    def __init__(self, hello: Hello, queue: CallQueue, counters: FeedCounters) -> None:
        self._hello = hello
        self._queue = queue
        self._counters = counters
        self._directory = os.getcwd()
        self._process: Process | None = None
        self._unanswered: dict[int, Sent] = {}
        self._bytes = 0  # in these
        self._answered = threading.Condition()  # guards both
        self._number = 0
        self._addresses: Addresses | None = None
        self._failure: BaseException | None = None
        self._started = threading.Event()
        self._closing = threading.Event()
        self._restarts = 0
        self._state = "starting"
        self._progress = False  # has the running process answered anything?
        self._thread = threading.Thread(target=self._run, name="alphapulse-link", daemon=True)

    @property
    def addresses(self) -> Addresses | None:
        """Where the dashboard is served, if it is."""
        return self._addresses

    @property
    def pid(self) -> int | None:
        """The process's id, while it runs."""
        process = self._process
        return None if process is None or process.ended else process.pid

    def stats(self) -> FeedStats:
        """What became of the calls."""
        return self._counters.stats(restarts=self._restarts, state=self._state)

    def open(self) -> None:
        """Start the process, and wait until it serves.

        Raises:
            ConfigError, StartupError: as the dashboard did.
        """
        self._thread.start()
        try:
            self._started.wait()
        except BaseException:  # Ctrl-C
            self.close()
            raise
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def close(self) -> None:
        """Take no more calls, wait for those taken, and end the process; all within a bound."""
        self._queue.close(DashboardClosed)
        seconds = self._hello.config.shutdown_timeout + CLOSE_SECONDS
        settled = self._queue.wait_until_settled(seconds)
        self._closing.set()
        process = self._process
        if process is not None and not (settled and self._started.is_set()):
            process.kill()  # it may hang
        self._queue.wake()
        with self._answered:
            self._answered.notify_all()
        self._thread.join()
        self._abandon()
        self._state = "closed"

    def disown(self, refusal: Callable[[], Exception]) -> None:
        """Let go of everything in a fork of the host."""
        self._queue.disown(refusal)
        self._state = "closed"
        if self._process is not None:
            self._process.disown()

    def _run(self) -> None:
        delay = FIRST_DELAY
        while not self._closing.is_set():
            try:
                process = self._process = Process(self._directory)
                if self._closing.is_set():
                    process.kill()
                addresses = process.begin(self._hello)
            except BaseException as error:
                if not self._started.is_set():
                    self._failure = error
                    self._started.set()
                    return
                logger.warning("the dashboard's process cannot start again: %s", error)
            else:
                self._begin(addresses)
                self._serve(process)
                if self._closing.is_set():
                    return
                if self._progress:
                    delay = FIRST_DELAY
            self._state = "starting"
            self._closing.wait(delay)
            delay = min(2 * delay, LAST_DELAY)
            self._restarts += 1

    def _begin(self, addresses: Addresses | None) -> None:
        self._addresses = addresses
        if addresses is not None:
            # A successor serves where this one does, if a free port was asked for, too.
            port = urlsplit(addresses.url).port or self._hello.config.port
            self._hello = replace(self._hello, config=replace(self._hello.config, port=port))
        self._progress = False
        self._state = "running"
        self._started.set()

    def _serve(self, process: Process) -> None:
        """Send and read until the process has ended."""
        gone = threading.Event()
        reader = threading.Thread(
            target=self._read, args=(process, gone), name="alphapulse-answers", daemon=True
        )
        reader.start()
        try:
            with self._answered:
                again = [sent.frame for sent in self._unanswered.values()]
            process.send(again)
            while not (gone.is_set() or self._closing.is_set()):
                self._send(process, self._queue.take(TAKEN_TOGETHER), gone)
        except OSError:
            pass  # it is gone: the reader notices, too
        process.finish()
        closing = self._closing.is_set()
        seconds = self._hello.config.shutdown_timeout + CLOSE_SECONDS
        code = process.wait(seconds)
        reader.join()
        if not closing:
            logger.warning("the dashboard's process has ended, with exit code %d", code)

    def _send(self, process: Process, calls: Sequence[Given], gone: threading.Event) -> None:
        broken: OSError | None = None
        for number, call in enumerate(sendable(calls, self._refuse)):
            if number:
                sleep(PAUSE_SECONDS)
            data = self._remembered(call, gone)
            if broken is None:
                try:
                    process.send([data])
                except OSError as error:
                    broken = error  # the others are kept for the successor
        if broken is not None:
            raise broken

    def _read(self, process: Process, gone: threading.Event) -> None:
        for each in process.frames():
            self._progress = True
            self._settle(each)
            self._queue.made_room()
        gone.set()
        self._queue.wake()
        with self._answered:
            self._answered.notify_all()

    def _settle(self, each: Frame) -> None:
        if each.kind is Kind.SETTLED:
            for number, reasons in loads(next(chunks_of(each.body))):
                if (sent := self._taken_off(number)) is not None:
                    self._counters.settle(sent.method, sent.count, reasons)
        elif each.kind is Kind.FAILED:
            logger.error("the dashboard's process failed: %s", _error_in(each))
        elif (sent := self._taken_off(each.number)) is not None:
            if each.kind is Kind.ERROR:
                self._counters.refuse(sent.method, sent.count, reason_of(_error_in(each)))
            else:
                reasons = loads(next(chunks_of(each.body)))
                self._counters.settle(sent.method, sent.count, reasons)
            if sent.answer is not None:
                sent.answer.set(each)

    def _taken_off(self, number: int) -> Sent | None:
        with self._answered:
            sent = self._unanswered.pop(number, None)
            if sent is not None:
                self._bytes -= len(sent.frame)
                self._answered.notify_all()
        return sent

    def _remembered(self, call: Call, gone: threading.Event) -> bytes:
        """The frame of a call, which is kept until it is answered."""
        with self._answered:
            self._number += 1
            sent = Sent(
                frame(Kind.CALL, self._number, call.body), call.method, call.count, call.answer
            )
            self._unanswered[self._number] = sent
            self._bytes += len(sent.frame)
            while self._bytes > WINDOW_BYTES and len(self._unanswered) > 1:
                if gone.is_set() or self._closing.is_set():
                    break
                self._answered.wait()
        return sent.frame

    def _refuse(self, method: str, count: int, error: Exception) -> None:
        self._counters.refuse(method, count, reason_of(error))
        self._queue.made_room()

    def _abandon(self) -> None:
        """Refuse the calls that were not answered by the end."""
        lost = 0
        with self._answered:
            left = list(self._unanswered.values())
            self._unanswered.clear()
        for sent in left:
            self._lose(sent.method, sent.count, sent.answer)
            lost += sent.count
        for call in self._queue.drop_all():
            self._lose(call.method, call.count, call.answer)
            lost += call.count
        if lost:
            logger.error("%d records could not be stored before the end", lost)

    def _lose(self, method: str, count: int, answer: Answer | None) -> None:
        self._counters.refuse(method, count, "the dashboard closed before it was stored")
        if answer is not None:
            answer.set(None)


def _error_in(each: Frame) -> Exception:
    return rebuilt(loads(next(chunks_of(each.body))))
