"""The host's handle on the dashboard's process: starts it, exchanges frames with it, ends it."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.embed.addresses import Addresses
from alphapulse_api.embed.faults import rebuilt
from alphapulse_api.embed.frames import (
    Frame,
    FrameReader,
    Kind,
    chunks_of,
    frame,
    loads,
)
from alphapulse_api.embed.hello import Hello

READ_BYTES: Final = 1 << 18
END_SECONDS: Final = 10.0  # for a process that cannot start
MODULE: Final = "alphapulse_api.child"


class Process:
    """One run of the dashboard's process.

    It is a fresh interpreter: a fork would copy the host's locks in whatever state they are, and
    multiprocessing would import the host's main module again. The thread that creates it must
    outlive it, because Linux sends the parent-death signal when that thread ends.

    Args:
        directory: the working directory, to which relative paths refer.
    """

    def __init__(self, directory: str) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-P", "-m", MODULE],
                    stdin=theirs.fileno(),
                    cwd=directory,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    # Keeps Ctrl-C in a terminal from the process. A new session would, too, but
                    # the scheduler compares niceness only within a session.
                    process_group=0,
                )
        except BaseException:
            ours.close()
            raise
        self._socket = ours
        self._frames = FrameReader()

    def __repr__(self) -> str:
        return f"<Process {self.pid}>"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether its end has been noticed; from then on its id may belong to another process."""
        return self._process.returncode is not None

    def begin(self, hello: Hello) -> Addresses | None:
        """Send the configuration and wait until the dashboard has started.

        Returns:
            The addresses of the dashboard; None if it does not serve.

        Raises:
            ConfigError, StartupError: as the dashboard did; the process has then ended.
        """
        try:
            self.send([frame(Kind.HELLO, 0, pickle.dumps(hello))])
            for first in self.frames():
                content = loads(next(chunks_of(first.body)))
                if first.kind is Kind.READY:
                    return None if content is None else Addresses(*content)
                self.wait(END_SECONDS)
                raise rebuilt(content)
        except OSError:
            pass  # it died before it could report an error
        code = self.wait(END_SECONDS)
        raise StartupError(f"the dashboard's process ended while it started, with exit code {code}")

    def send(self, frames: Sequence[bytes]) -> None:
        """Send frames; waits while the process reads too slowly.

        Raises:
            OSError: if the process is gone.
        """
        self._socket.sendall(b"".join(frames))

    def frames(self) -> Iterator[Frame]:
        """The frames that the process sends, until it ends."""
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except OSError:
                return
            if not data:
                return
            yield from self._frames.feed(data)

    def finish(self) -> None:
        """Close the sending side; the process finishes its calls and ends."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is gone

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def wait(self, seconds: float | None = None) -> int:
        """Wait until the process has ended, close the socket, and return the exit code.

        A process that takes longer than `seconds` is killed.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()
        finally:
            self._socket.close()

    def disown(self) -> None:
        """Release the process in a fork of the host, which must not keep its socket open."""
        self._socket.close()
        self._process.returncode = 0  # it is not a child of the fork, which must not wait for it
