"""The command line in a process of its own, for synchronous tests."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands import environment


@contextmanager
def started(folder: Path, command: str, until: str, **env: str) -> Iterator[tuple[Process, str]]:
    """Run `alphapulse-api COMMAND` in a folder.

    Args:
        until: a regular expression; what it says up to a match of that is handed back.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "alphapulse_api", *command.split()],
        cwd=folder,
        env=environment(folder, **env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        while not re.search(until, said):
            line = process.stdout.readline()
            assert line, f"it ended: {said}"
            said += line
        # What it says later is read, too, or its pipe would fill.
        reading = threading.Thread(target=process.stdout.read, daemon=True)
        reading.start()
        yield process, said
    finally:
        process.kill()
        process.wait()
        reading.join()
        process.stdout.close()


Process = subprocess.Popen[str]
