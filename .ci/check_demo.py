"""The README's demo command, run as a newcomer runs it: console, resources, channels.

Usage: check_demo.py COMMAND, in a fresh clone. Exits 0 if the console is there, and within 20 s of
the first screen every resource has something and a socket has had a message on each channel.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

SECONDS = 20.0
INSTALL_SECONDS = 600.0
RESOURCES = ("metrics", "metrics/performance", "portfolio", "alerts", "agents", "trades", "system")
CHANNELS = {"metrics", "alerts", "trades", "portfolio"}


def main(command: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo = subprocess.Popen(
        ["bash", "-c", f"{command} --port {port}"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        url, key, command = first_screen(demo)
        deadline = time.monotonic() + SECONDS
        with urllib.request.urlopen(f"{url}/console/", timeout=10) as response:
            assert response.headers.get_content_type() == "text/html"
        channels = watch(command, deadline)
        for resource in RESOURCES:
            request = urllib.request.Request(f"{url}/api/{resource}", headers={"X-API-Key": key})
            with urllib.request.urlopen(request, timeout=10) as response:
                assert json.load(response), f"{resource} is empty"
        assert channels == CHANNELS, f"silent: {CHANNELS - channels}"
    finally:
        os.killpg(demo.pid, signal.SIGINT)
        status = demo.wait(20)
    assert status == 0, f"the demo ended with {status}"
    print(f"demo: {len(RESOURCES)} resources filled, {len(channels)} channels live")


def first_screen(demo: subprocess.Popen[str]) -> tuple[str, str, str]:
    """The URL, the key, and the socket command that the demo prints."""
    deadline = time.monotonic() + INSTALL_SECONDS
    assert demo.stdout is not None
    for line in demo.stdout:
        print(line, end="")
        if match := re.search(r'"X-API-Key: (\S+)" (http://\S+)/api/portfolio', line):
            return match[2], match[1], next(demo.stdout).strip()
        assert time.monotonic() < deadline
    raise SystemExit("the demo ended before its first screen")


def watch(command: str, deadline: float) -> set[str]:
    """The channels that the socket command of the first screen shows live."""
    watcher = subprocess.Popen(command.split(), stdout=subprocess.PIPE, text=True)
    seen: set[str] = set()
    assert watcher.stdout is not None
    try:
        while seen != CHANNELS and time.monotonic() < deadline:
            message = json.loads(watcher.stdout.readline())
            if "data" in message and not message.get("snapshot"):
                seen.add(message["channel"])
    finally:
        watcher.terminate()
        watcher.wait()
    return seen


if __name__ == "__main__":
    main(sys.argv[1])
