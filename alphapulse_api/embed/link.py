"""The host's side of its dashboard's process: keeps it running, sends calls, hands out answers."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import sleep
from typing import Final
from urllib.parse import urlsplit

from alphapulse_api.domain.errors import DashboardClosed
from alphapulse_api.embed.addresses import Addresses
from alphapulse_api.embed.calls import Answer
from alphapulse_api.embed.faults import rebuilt
from alphapulse_api.embed.frames import CHUNK_RECORDS, Frame, Kind, chunks_of, loads
from alphapulse_api.embed.hello import Hello
from alphapulse_api.embed.merging import sendable
from alphapulse_api.embed.process import Process
from alphapulse_api.embed.queue import CallQueue, Given
from alphapulse_api.embed.unanswered import Unanswered
from alphapulse_api.record.counting import reason_of
from alphapulse_api.record.stats import FeedCounters, FeedStats

logger = logging.getLogger(__name__)

TAKEN_TOGETHER: Final = 256  # calls
PAUSE_SECONDS: Final = 0.0001  # between encoded chunks, so that the host's other threads can run
FIRST_DELAY: Final = 0.1  # seconds before a process that has ended is restarted; doubles
LAST_DELAY: Final = 5.0
CLOSE_SECONDS: Final = 10.0  # beyond shutdown_timeout


class Link:
    """Runs the process from `open` to `close`.

    Two threads serve it: one starts the process and sends calls, the other reads answers.

    Args:
        hello: the first message to each process.
        queue: the calls to send.
        counters: count the outcomes of the calls.
    """

    def __init__(self, hello: Hello, queue: CallQueue, counters: FeedCounters) -> None:
        self._hello = hello
        self._queue = queue
        self._counters = counters
        self._directory = os.getcwd()
        self._process: Process | None = None
        self._unanswered = Unanswered()
        self._addresses: Addresses | None = None
        self._failure: BaseException | None = None
        self._started = threading.Event()
        self._closing = threading.Event()
        self._restarts = 0
        self._state = "starting"
        self._progress = False  # whether the running process has answered anything
        self._thread = threading.Thread(target=self._run, name="alphapulse-link", daemon=True)

    @property
    def addresses(self) -> Addresses | None:
        """The URLs of the dashboard's pages; None if it does not serve HTTP."""
        return self._addresses

    @property
    def pid(self) -> int | None:
        """The process's id, while it runs."""
        process = self._process
        return None if process is None or process.ended else process.pid

    def stats(self) -> FeedStats:
        """Counts of the calls, by outcome."""
        self._queue.count()
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
        """Refuse further calls, wait for the queued ones, and end the process; bounded in time."""
        self._queue.close(DashboardClosed)
        seconds = self._hello.config.shutdown_timeout + CLOSE_SECONDS
        settled = self._queue.wait_until_settled(seconds)
        self._closing.set()
        process = self._process
        if process is not None and not (settled and self._started.is_set()):
            process.kill()  # it may hang
        self._queue.wake()
        self._unanswered.wake()
        self._thread.join()
        self._abandon()
        self._state = "closed"

    def disown(self, refusal: Callable[[], Exception]) -> None:
        """Release the queue and the process in a fork of the host."""
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
            # A successor serves on the same port, even if port 0 (any free port) was configured.
            port = urlsplit(addresses.url).port or self._hello.config.port
            self._hello = replace(self._hello, config=replace(self._hello.config, port=port))
        self._progress = False
        self._state = "running"
        self._started.set()

    def _serve(self, process: Process) -> None:
        """Send calls and read answers until the process has ended."""
        gone = threading.Event()
        reader = threading.Thread(
            target=self._read, args=(process, gone), name="alphapulse-answers", daemon=True
        )
        reader.start()
        try:
            process.send(self._unanswered.frames())
            while not (gone.is_set() or self._closing.is_set()):
                self._send(process, self._queue.take(TAKEN_TOGETHER), gone)
        except OSError:
            pass  # the process is gone; the reader notices as well
        process.finish()
        closing = self._closing.is_set()
        seconds = self._hello.config.shutdown_timeout + CLOSE_SECONDS
        code = process.wait(seconds)
        reader.join()
        if not closing:
            logger.warning("the dashboard's process has ended, with exit code %d", code)

    def _send(self, process: Process, calls: Sequence[Given], gone: threading.Event) -> None:
        def ended() -> bool:
            return gone.is_set() or self._closing.is_set()

        broken: OSError | None = None
        frames: list[bytes] = []
        records = 0
        for call in sendable(calls, self._refuse):
            frames.append(self._unanswered.add(call))
            records += call.count
            if records >= CHUNK_RECORDS:
                broken = broken or _sent(process, frames)
                frames, records = [], 0
                sleep(PAUSE_SECONDS)
                self._unanswered.wait_for_room(ended)
        if (broken := broken or _sent(process, frames)) is not None:
            raise broken
        self._unanswered.wait_for_room(ended)

    def _read(self, process: Process, gone: threading.Event) -> None:
        for each in process.frames():
            self._progress = True
            self._settle(each)
            self._queue.made_room()
        gone.set()
        self._queue.wake()
        self._unanswered.wake()

    def _settle(self, each: Frame) -> None:
        if each.kind is Kind.SETTLED:
            self._settle_all(loads(next(chunks_of(each.body))))
        elif each.kind is Kind.FAILED:
            logger.error("the dashboard's process failed: %s", _error_in(each))
        elif (sent := self._unanswered.take([each.number])[0]) is not None:
            if each.kind is Kind.ERROR:
                self._counters.refuse(sent.method, sent.count, reason_of(_error_in(each)))
            else:
                reasons = loads(next(chunks_of(each.body)))
                self._counters.settle(sent.method, sent.count, reasons)
            if sent.answer is not None:
                sent.answer.set(each)

    def _settle_all(self, outcomes: Sequence[tuple[int, Sequence[str]]]) -> None:
        stored = 0
        settled = self._unanswered.take([number for number, _ in outcomes])
        for sent, (_, reasons) in zip(settled, outcomes, strict=True):
            if sent is None:
                continue
            if reasons:
                self._counters.settle(sent.method, sent.count, reasons)
            else:
                stored += sent.count
        self._counters.settle("", stored)

    def _refuse(self, method: str, count: int, error: Exception) -> None:
        self._counters.refuse(method, count, reason_of(error))
        self._queue.made_room()

    def _abandon(self) -> None:
        """Refuse the calls that were not answered by the end."""
        lost = 0
        for sent in self._unanswered.take_all():
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


def _sent(process: Process, frames: Sequence[bytes]) -> OSError | None:
    """Send frames; return the error if they were not sent. `Unanswered` keeps them for a retry."""
    try:
        process.send(frames)
    except OSError as error:
        return error
    return None


def _error_in(each: Frame) -> Exception:
    return rebuilt(loads(next(chunks_of(each.body))))
