"""The file of an SQLite database: its file system, and the lock of the process that serves it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from pathlib import Path
from typing import Final

from alphapulse_api.domain.errors import StartupError
from alphapulse_api.domain.times import now, rfc3339

if sys.platform == "win32":
    import msvcrt

    _BYTE: Final = 1 << 20  # behind the text, because a locked byte cannot be read

    def _try_lock(file: int) -> bool:
        os.lseek(file, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(file, 0, os.SEEK_SET)
        return True

    def _unlock(file: int) -> None:
        os.lseek(file, _BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            # flock locks the open file, not the process: two dashboards of one process exclude
            # each other.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


WAIT_SECONDS: Final = 10.0  # for another process to drain
RETRY_SECONDS: Final = 0.1
MOUNTS: Final = Path("/proc/self/mountinfo")
# File systems shared between machines. FUSE usually is one, except on a block device (fuseblk).
_NETWORK: Final = re.compile(r"nfs\d?|cifs|smb\w*|9p|afs|ceph|lustre|ncpfs|fuse(\.\w.*)?")


def network_type(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system that holds a file; None if it is not a known one.

    See proc(5), /proc/PID/mountinfo.
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None  # not Linux
    folder = path.parent.resolve()
    found, longest = "", -1
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        # Of several mounts at one point, the last one is visible.
        if folder.is_relative_to(point) and len(point) >= longest:
            found, longest = after.split(" ")[0], len(point)
    return found if _NETWORK.fullmatch(found) else None


def refuse_network(path: Path) -> None:
    """Refuse a file on which locks are unreliable.

    Raises:
        StartupError: if it is on a network file system.
    """
    kind = network_type(path)
    if kind is not None:
        raise StartupError(
            f"database.url: {path} is on a network file system ({kind}), where SQLite may corrupt "
            "it; use a local disk or PostgreSQL, or set database.network_file"
        )


class ServerLock:
    """A lock for the one process that serves a file; the system releases it with the process.

    Args:
        path: the database file; the lock file is beside it.
    """

    def __init__(self, path: Path) -> None:
        self._database = path
        self._path = path.with_name(f"{path.name}.server-lock")
        self._file: int | None = None

    def __repr__(self) -> str:
        return f"<ServerLock {self._path} {'held' if self._file is not None else 'free'}>"

    async def acquire(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait until no other process serves the file.

        Args:
            seconds: how long to wait.

        Raises:
            StartupError: if another process still serves it; the text names that process.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartupError(
                f"database.url: cannot lock {self._path}: {error.strerror}"
            ) from None
        try:
            async with asyncio.timeout(seconds):
                while not _try_lock(file):  # noqa: ASYNC110 (the other process sends no event)
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            holder = os.read(file, 200).decode(errors="replace").strip() or "an unknown process"
            os.close(file)
            raise StartupError(
                f"database.url: {self._database} is served by {holder}; end that one first, or let "
                "several processes share PostgreSQL and Redis"
            ) from None
        except BaseException:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        holder = f"process {os.getpid()} on {socket.gethostname()} since {rfc3339(now())}"
        os.write(file, holder.encode())
        self._file = file

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        file, self._file = self._file, None
        if file is not None:
            _unlock(file)
            os.close(file)
