"""Orders to a server process while it runs: JSON lines over a Unix socket in its directory."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from .harness import BenchmarkError

NAME = "control"
Order = Callable[..., Awaitable[dict[str, Any]]]

_listening: list[asyncio.Server] = []  # a server without a reference is closed


class Control:
    """The side that gives orders."""

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(directory / NAME))
        self._file = self._socket.makefile("rb")

    def fileno(self) -> int:
        """For selectors: readable once the answer is there."""
        return self._socket.fileno()

    def order(self, name: str, **arguments: Any) -> None:
        """Give an order; `answer` waits for its result."""
        self._socket.sendall(json.dumps([name, arguments]).encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        """The result of the order."""
        line = self._file.readline()
        if not line:
            raise BenchmarkError("a server ended in the middle of an order")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise BenchmarkError(f"an order failed: {answer['error']}")
        return answer

    def ask(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Order and answer."""
        self.order(name, **arguments)
        return self.answer()

    def close(self) -> None:
        """Close the socket."""
        self._file.close()
        self._socket.close()


async def obey(directory: str, orders: Mapping[str, Order]) -> None:
    """Listen for orders, in the server's own loop, until it ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            name, arguments = json.loads(line)
            try:
                answer = await orders[name](**arguments)
            except Exception as error:
                answer = {"error": repr(error)}
            writer.write(json.dumps(answer).encode() + b"\n")

    _listening.append(await asyncio.start_unix_server(serve, str(Path(directory) / NAME)))
