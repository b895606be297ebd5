"""A Jupyter kernel, driven by its protocol."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

from tests.waiting import SECONDS


class Kernel:
    """Runs cells, and is interrupted, restarted and killed as the user's buttons do it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def run(self, code: str) -> None:
        """Run a cell, which must succeed."""
        self.value("None", code)

    def value(self, expression: str, code: str = "") -> Any:
        """The value of an expression after the cell: a Python literal."""
        reply = self._reply(self._client.execute(code, user_expressions={"value": expression}))
        assert reply["status"] == "ok", reply["traceback"]
        value = reply["user_expressions"]["value"]
        assert value["status"] == "ok", value["traceback"]
        return ast.literal_eval(value["data"]["text/plain"])

    def interrupted(self, code: str) -> str:
        """Interrupt a cell once it has printed something; returns the name of its error."""
        request = self._client.execute(code)
        while True:
            message = self._client.get_iopub_msg(timeout=SECONDS)
            if message["msg_type"] == "stream" and message["parent_header"]["msg_id"] == request:
                break
        self._manager.interrupt_kernel()
        name: str = self._reply(request)["ename"]
        return name

    def restart(self) -> None:
        """End the kernel in order, and start it again."""
        self._manager.restart_kernel()
        self._client.wait_for_ready(SECONDS)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._manager.shutdown_kernel(now=True)

    def _reply(self, request: str) -> dict[str, Any]:
        while True:
            message = self._client.get_shell_msg(timeout=SECONDS)
            if message["parent_header"]["msg_id"] == request:
                content: dict[str, Any] = message["content"]
                return content


@contextmanager
def kernel_in(directory: Path) -> Iterator[Kernel]:
    """A kernel that works in a directory, and ends with the block."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(directory))
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
