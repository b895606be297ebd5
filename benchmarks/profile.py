"""Entry `profile`: a server's costs by function under the load of `http`, from py-spy."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from .harness import LOAD_CORE, BenchmarkError, pin, running
from .http import OURS, SERVERS, agreed_answer, drive
from .points import write_points
from .report import print_table

SAMPLES_A_SECOND = 500
PACKAGE = "(alphapulse_api/"
MAIN_THREAD = "_run_module_as_main"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the entry."""
    parser.add_argument("--server", choices=SERVERS, default=OURS, help="which to profile")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the recording")
    parser.add_argument("--top", type=int, default=40, help="functions to print")
    parser.add_argument("--native", action="store_true", help="see into C extensions, slower")
    parser.add_argument("--lines", action="store_true", help="by line instead of by function")


def run(arguments: argparse.Namespace) -> None:
    """Record under load; print costs alone, with the libraries, and with all callees."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        write_points(Path(directory))
        with running(arguments.server, directory) as server:
            pin(LOAD_CORE)
            expected = agreed_answer([server])[server.name]
            stacks = Path(directory) / "stacks"
            command = _command(arguments, server.process.pid, stacks)
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as recorder:
                drive(server, expected, seconds=arguments.seconds)
                if recorder.wait() != 0:
                    raise BenchmarkError("py-spy could not record (does it need more rights?)")
            _print_costs(stacks.read_text(), arguments.top)


def _command(arguments: argparse.Namespace, pid: int, output: Path) -> list[str]:
    seconds = max(1, round(arguments.seconds - 1))
    command = ["py-spy", "record", "--pid", str(pid), "--format", "raw"]
    command += ["--output", str(output), "--rate", str(SAMPLES_A_SECOND)]
    command += ["--duration", str(seconds)]
    if arguments.native:
        command.append("--native")
    if not arguments.lines:
        command.append("--function")
    return command


def _print_costs(text: str, top: int) -> None:
    """Fold py-spy's raw lines, each `frame;frame;… count`, of the main thread.

    Other threads are left out, because py-spy counts some threads that wait for work as busy; the
    kernel's CPU times show that they are not.
    """
    own: Counter[str] = Counter()
    cumulative: Counter[str] = Counter()
    charged: Counter[str] = Counter()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not any(frame.startswith(MAIN_THREAD) for frame in frames):
            continue
        own[frames[-1]] += int(count)
        ours = [frame for frame in frames if PACKAGE in frame]
        charged[ours[-1] if ours else "aiohttp, uvloop and the kernel"] += int(count)
        for frame in set(frames):
            cumulative[frame] += int(count)
    total = own.total()
    if not total:
        raise BenchmarkError("py-spy saw no sample on the CPU")
    tables = (
        ("own time", own),
        ("with the libraries it calls", charged),
        ("with all callees", cumulative),
    )
    for title, costs in tables:
        rows = [[frame, f"{count / total:.1%}"] for frame, count in costs.most_common(top)]
        print_table([title, "share"], rows)
        print()
