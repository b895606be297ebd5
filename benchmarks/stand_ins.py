"""Processes that burn as much CPU time as others have used, at the same niceness."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping

PERIOD = 0.01  # seconds
FULL = 0.98  # from this share on, a process does not sleep


class StandIns:
    """Starts processes as they are needed, and ends them."""

    def __init__(self) -> None:
        self._processes: dict[int, list[subprocess.Popen[str]]] = {}
        self._burning: list[subprocess.Popen[str]] = []

    def __enter__(self) -> StandIns:
        return self

    def __exit__(self, *_: object) -> None:
        for processes in self._processes.values():
            for process in processes:
                process.kill()
                process.communicate()

    def burn(self, shares: Mapping[int, float], seconds: float) -> None:
        """Burn CPU time.

        Args:
            shares: of a core, by niceness. Several processes share more than one core.
            seconds: how long; `wait` waits for the end.
        """
        for niceness, share in shares.items():
            count = math.ceil(share)
            processes = self._processes.setdefault(niceness, [])
            while len(processes) < count:
                processes.append(_started(niceness))
            for process in processes[:count]:
                assert process.stdin is not None
                process.stdin.write(f"{share / count} {seconds}\n")
                process.stdin.flush()
                self._burning.append(process)

    def wait(self) -> None:
        """Wait until each has burnt its share."""
        for process in self._burning:
            assert process.stdout is not None
            process.stdout.readline()
        self._burning.clear()


def _started(niceness: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, str(niceness)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _burn(share: float, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        while time.perf_counter() < begin + PERIOD * share:
            pass
        if share < FULL:
            time.sleep(max(0.0, begin + PERIOD - time.perf_counter()))


if __name__ == "__main__":
    os.nice(int(sys.argv[1]))
    for line in sys.stdin:
        _burn(*map(float, line.split()))
        print("burnt", flush=True)
