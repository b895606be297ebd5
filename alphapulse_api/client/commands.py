"""The commands of agents, taken over one socket that outlives its connections.

A command is taken when the consumer asks for one, and is handed over at most once. Answers are sent
again over the next connection until the server has confirmed them, which changes nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

import orjson

from alphapulse_api.client.backoff import Backoff
from alphapulse_api.client.connection import Connection, ConnectionLost
from alphapulse_api.client.conversation import PASSING, PassingError
from alphapulse_api.client.credentials import Credentials
from alphapulse_api.client.errors import StreamError
from alphapulse_api.client.reconnecting import Connect, Reconnecting
from alphapulse_api.domain.handed import LATE, AwaitedCommand, HandedCommand

TAKE: Final = "take"
SERVE: Final = "serve"
# The server ends the connection at `websocket.max_message_size` (64 KiB by default), and with it
# every later command.
MAX_ANSWER_BYTES: Final = 60_000
PACE_SECONDS: Final = 0.2  # after the server refused a message because there were too many


class CommandStream(Reconnecting):
    """An async iterator of `HandedCommand`; see `DashboardClient.commands`."""

    def __init__(
        self,
        connect: Connect,
        credentials: Credentials,
        agents: Sequence[str],
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]],
        closed: Callable[[CommandStream], None],
    ) -> None:
        super().__init__(connect, credentials, backoff, sleep)
        self._agents = tuple(agents)
        self._closed = closed
        self._connection: Connection | None = None
        self._wanted = False  # the consumer waits for a command
        self._ready = False  # there may be one
        self._asked_at: float | None = None  # when the take was sent that is not answered yet
        # The command that was taken, and until when it may be handed over; None: the end.
        self._taken: asyncio.Queue[tuple[Mapping[str, Any], float] | None] = asyncio.Queue()
        self._answers: dict[int, tuple[dict[str, Any], asyncio.Future[Any]]] = {}
        self._number = 0
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        return f"<CommandStream {' '.join(self._agents)} connections={self.connections}>"

    def __aiter__(self) -> CommandStream:
        return self

    async def __anext__(self) -> AwaitedCommand:
        if self._task is None and not self._ended:
            self._task = asyncio.create_task(self._run(), name=repr(self))
        while True:
            if self._taken.empty():
                self._wanted = True
                await self._take()
            taken = await self._taken.get()
            if taken is None:
                self._taken.put_nowait(None)  # for the next caller
                raise self._failure or StopAsyncIteration
            record, ends = taken
            command: AwaitedCommand = HandedCommand(record, self._answer)
            # The process may have been stopped, or the consumer busy, since it was taken.
            if asyncio.get_running_loop().time() < ends:
                return command
            await command.refuse(LATE)

    async def aclose(self) -> None:
        """Close the connection; iteration ends, and answers that are not confirmed fail."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        else:
            self._end()

    async def _run(self) -> None:
        try:
            await self._hold_connections()
        except Exception as failure:
            self._failure = failure
        finally:
            self._end()

    def _end(self) -> None:
        self._closed(self)
        for _, answered in self._answers.values():
            if not answered.done():
                error = self._failure or StreamError("closed", "the client was closed")
                answered.set_exception(error)
        self._taken.put_nowait(None)

    async def _converse(self, connection: Connection) -> NoReturn:
        serving = False
        self._asked_at = None  # what a lost connection took along ends as `no_answer`
        try:
            while True:
                message = await connection.receive()
                match message["type"]:
                    case "welcome":
                        connection.ping_interval = message["ping_interval"]
                    case "authenticated":
                        self._refusals = 0
                        if not serving:  # otherwise it answers a renewal
                            serving = True
                            agents = list(self._agents)
                            await connection.send({"type": "serve", "id": SERVE, "agents": agents})
                    case "token_expiring":
                        connection.plan_renewal()
                    case "served":
                        self._connection = connection
                        self._established.set()
                        self._backoff.reset()
                        await self._say_again()
                    case "command_ready":
                        self._ready = True
                        await self._take()
                    case "command":
                        await self._take_over(message)
                    case "command_updated":
                        self._settle(message["id"], message["command"])
                    case "error":
                        await self._refused_message(message)
        finally:
            self._connection = None

    async def _say_again(self) -> None:
        """Ask and answer over a new connection."""
        self._ready = True  # a command may have been sent in the meantime
        for message, _ in tuple(self._answers.values()):
            await self._send(message)
        await self._take()

    async def _take(self) -> None:
        if self._wanted and self._ready and self._asked_at is None and self._connection:
            self._ready = False
            self._asked_at = asyncio.get_running_loop().time()
            await self._send({"type": "take", "id": TAKE})

    async def _take_over(self, message: Mapping[str, Any]) -> None:
        asked_at, self._asked_at = self._asked_at, None
        if message["command"] is None:
            await self._take()  # one may have been announced since
        elif asked_at is not None:
            self._wanted = False
            self._ready = True  # there may be more
            self._taken.put_nowait((message["command"], asked_at + message["expires_in"]))

    async def _answer(
        self, command_id: str, state: str, detail: str | None = None, result: Any = None
    ) -> Any:
        """Send an answer until it is confirmed; returns the command."""
        self._number += 1
        members = {"state": state, "detail": detail, "result": result}
        message = {
            "type": "command_update",
            "id": self._number,
            "command_id": command_id,
            **{name: value for name, value in members.items() if value is not None},
        }
        if len(orjson.dumps(message)) > MAX_ANSWER_BYTES:
            raise StreamError("too_big", f"an answer has at most {MAX_ANSWER_BYTES} bytes of JSON")
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._ended or (self._task is not None and self._task.done()):
            raise self._failure or StreamError("closed", "the client was closed")
        number = self._number
        self._answers[number] = message, answered
        try:
            await self._send(message)
            return await answered
        finally:
            del self._answers[number]

    async def _send(self, message: Mapping[str, Any]) -> None:
        if self._connection is not None:
            try:
                await self._connection.send(message)
            except (ConnectionLost, ConnectionError):
                pass  # it is sent again over the next connection

    def _settle(self, number: Any, command: Any) -> None:
        if number in self._answers and not self._answers[number][1].done():
            self._answers[number][1].set_result(command)

    async def _refused_message(self, message: Mapping[str, Any]) -> None:
        number: Any = message.get("id")
        code = message["code"]
        if code == "rate_limited" and number in (TAKE, *self._answers):
            await asyncio.sleep(PACE_SECONDS)
            if number == TAKE:
                self._asked_at, self._ready = None, True
                await self._take()
            else:
                await self._send(self._answers[number][0])
        elif number in self._answers and code not in PASSING:
            _, answered = self._answers[number]
            if not answered.done():
                answered.set_exception(StreamError(code, message["message"]))
        elif code in PASSING:
            raise PassingError(f"{code}: {message['message']}")
        else:
            raise StreamError(code, message["message"])
