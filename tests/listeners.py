"""Sockets that are cut, resume, and are then compared with what was committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp

from alphapulse_api.domain.times import parse
from tests.socket_client import Client, alert, portfolio, trade
from tests.waiting import PAUSE_SECONDS, SECONDS

Record = tuple[str, str]  # kind and id; of the portfolio there is one
Message = dict[str, Any]

CHANNELS: Final = ["trades", "alerts", "portfolio"]
LIFE: Final = [("active", False), ("acknowledged", True), ("resolved", True)]

# The last record of each channel. A client that resumes reads one channel after the other, so the
# end of one says nothing about the rest.
END: Final = "end"
END_AS_OF: Final = 1_750_000_000  # behind every portfolio that a feeder stores
LAST: Final[dict[str, tuple[str, str, Message]]] = {
    "trades": ("POST", "/api/trades", trade(id=END)),
    "alerts": ("POST", "/api/alerts", alert(id=END)),
    "portfolio": ("PUT", "/api/portfolio", portfolio(as_of=END_AS_OF)),
}


def is_last(message: Message) -> bool:
    """Whether the event is of the last record of its channel."""
    if message["type"] == "portfolio":
        return parse(message["data"]["as_of"]) == parse(END_AS_OF)
    return bool(message["data"]["id"] == END)


def differences(
    published: dict[Record, list[Any]], expected: dict[Record, list[Any]]
) -> dict[Record, tuple[list[Any] | None, list[Any] | None]]:
    """What was published and what was expected of each record where the two differ."""
    return {
        record: (published.get(record), expected.get(record))
        for record in published.keys() | expected.keys()
        if published.get(record) != expected.get(record)
    }


def state(kind: str, data: Message) -> tuple[Record, Any]:
    """The record that an event or a row is of, and its state."""
    if kind == "portfolio":
        return ("portfolio", "main"), parse(data["as_of"])
    if kind == "alert":
        return ("alert", data["id"]), (data["status"], data["acknowledged"])
    return ("trade", data["id"]), None


class Listener:
    """A client that connects again whenever it is cut, and resumes.

    Args:
        url: called before each connection; the server may be another one by then.
        lasting: the event log outlives the server, so that every cursor can be resumed. Otherwise
            the client reads everything anew after a resumption was refused.

    Attributes:
        logs: the messages of each event log in turn.
        read: the states of records, as read last.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: Callable[[], str],
        headers: dict[str, str],
        *,
        lasting: bool = True,
    ) -> None:
        self._session = session
        self._url = url
        self._headers = headers
        self._lasting = lasting
        self._cursors: dict[str, str] = {}
        self._unread = False
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._going_on = set(CHANNELS)
        self.logs: list[list[Message]] = [[]]
        self.read: dict[Record, Any] = {}
        self.joined = asyncio.Event()
        self.ended = asyncio.Event()
        self.received = asyncio.Event()
        self._task = asyncio.create_task(self._listen())

    def cut(self) -> None:
        if self._ws is not None:
            self._ws._response.close()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def catch_up(self) -> None:
        """Wait until something is published from now on."""
        self.received.clear()
        receiving = asyncio.create_task(self.received.wait())
        try:
            await asyncio.wait(
                {receiving, self._task}, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if self._task.done():
                await self._task
            assert receiving.done(), "nothing was published"
        finally:
            receiving.cancel()

    async def until_the_end(self) -> None:
        await asyncio.wait({self._task}, timeout=SECONDS)
        assert self._task.done(), "the end was not published"
        await self._task

    def published(self, log: int = 0) -> dict[Record, list[Any]]:
        """The states of each record, in the order in which they came through that log."""
        found: dict[Record, list[Any]] = {}
        for message in self.logs[log]:
            record, now = state(message["type"], message["data"])
            found.setdefault(record, []).append(now)
        return found

    def known(self) -> dict[Record, Any]:
        """The last state of each record that this client knows of, read or published."""
        last = dict(self.read)
        for record, states in self.published(-1).items():
            last[record] = states[-1]
        return last

    async def _listen(self) -> None:
        while not self.ended.is_set():
            try:
                async with self._session.ws_connect(
                    f"{self._url()}/ws", headers=self._headers
                ) as self._ws:
                    await self._converse(Client(self._ws))
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(PAUSE_SECONDS)  # the server was killed

    async def _converse(self, client: Client) -> None:
        for message in await self._messages(client, 2):
            assert message["type"] in ("welcome", "authenticated"), message
        await client.send(type="subscribe", channels=CHANNELS, since=self._cursors)
        (ack,) = await self._messages(client, 1)
        assert ack["type"] == "subscribed", ack
        resumed = {state.get("resumed", True) for state in ack["channels"].values()}
        if resumed == {False}:
            assert not self._lasting, ack
            self.logs.append([])
            self._cursors, self._unread = {}, True
        else:
            assert resumed == {True}, ack
        for name, state in ack["channels"].items():
            self._cursors.setdefault(name, state["cursor"])
        if self._unread:
            await self._read_anew()
            self._unread = False
        self.joined.set()
        while not self.ended.is_set():
            (message,) = await self._messages(client, 1)
            if message["type"] == "heartbeat":
                continue
            assert "data" in message, message
            self._cursors[message["channel"]] = message["cursor"]
            if is_last(message):
                self._going_on.discard(message["channel"])
                if not self._going_on:
                    self.ended.set()
            else:
                self.logs[-1].append(message)
                self.received.set()

    async def _messages(self, client: Client, count: int) -> list[Message]:
        """The next messages.

        Raises:
            ConnectionError: if the connection ends before.
        """
        messages = []
        for _ in range(count):
            frame = await client.frame()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise ConnectionError(frame)
            messages.append(json.loads(frame.data))
        return messages

    async def _read_anew(self) -> None:
        """Read what a client shows; the subscription began before, so nothing falls between."""
        read = {}
        for kind in ("trade", "alert"):
            for row in self._rows(await self._get(f"/api/{kind}s?format=ndjson")):
                record, now = state(kind, row)
                read[record] = now
        record, now = state("portfolio", json.loads(await self._get("/api/portfolio")))
        self.read = {**read, record: now}

    def _rows(self, text: str) -> Iterator[Message]:
        return map(json.loads, text.splitlines())

    async def _get(self, path: str) -> str:
        async with self._session.get(self._url() + path, headers=self._headers) as response:
            if response.status != 200:
                raise ConnectionError(await response.text())
            return await response.text()
