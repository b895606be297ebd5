"""Local servers that receive messages: they take them, refuse them, redirect, or hang."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, NamedTuple

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from standardwebhooks import Webhook

from alphapulse_api.config import ReceiverConfig, WebhookConfig

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "hunter2-token"


class Received(NamedTuple):
    """A request that a sink got."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> dict[str, Any]:
        """The data of a webhook, whose signature is checked."""
        Webhook(KEY).verify(self.body, dict(self.headers))
        content = json.loads(self.body)
        assert content["type"] == "alerts.notification"
        data: dict[str, Any] = content["data"]
        return data

    @property
    def alerts(self) -> dict[str, str]:
        """Of each alert that the webhook tells of, by title: its status."""
        return {alert["title"]: alert["status"] for alert in self.data["alerts"]}

    @property
    def causes(self) -> dict[str, list[str]]:
        """Of each alert that the webhook tells of, by title: why."""
        return {alert["title"]: alert["causes"] for alert in self.data["alerts"]}


class HttpSink:
    """An HTTP server.

    Attributes:
        url: of it.
        received: every request so far.
        statuses: what the next requests are answered with; 200 when it is empty.
        headers: that answers have.
        hanging: while it is set, requests are not answered.
        begun: set by each request.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.hanging = False
        self.begun = asyncio.Event()
        self._released = asyncio.Event()

    @property
    def receiver(self) -> ReceiverConfig:
        """The configuration of a receiver that gets webhooks here."""
        return ReceiverConfig(webhook=WebhookConfig(f"{self.url}/{TOKEN}", KEY))

    @property
    def apprise(self) -> ReceiverConfig:
        """The same through apprise."""
        return ReceiverConfig(urls=(f"{self.url.replace('http', 'json')}/{TOKEN}",))

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.received.append(Received(request.path, request.headers.copy(), body))
        self.begun.set()
        if self.hanging:
            await self._released.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.headers, text=f"{TOKEN} is wrong")

    def release(self) -> None:
        """Answer the requests that hang."""
        self.hanging = False
        self._released.set()
        self._released = asyncio.Event()


@asynccontextmanager
async def http_sink() -> AsyncIterator[HttpSink]:
    """A running `HttpSink`."""
    sink = HttpSink()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", sink.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    sink.url = f"http://{host}:{port}"
    try:
        yield sink
    finally:
        sink.release()
        await runner.cleanup()


class SmtpSink:
    """An SMTP server; `refusing` makes it refuse every e-mail."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[EmailMessage] = []
        self.refusing = False

    @property
    def receiver(self) -> ReceiverConfig:
        """The configuration of a receiver that gets e-mail here."""
        url = f"mailto://127.0.0.1:{self.port}?mode=insecure&from=ap@example.com&to=ann@example.com"
        return ReceiverConfig(urls=(url,))

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refusing:
            return "554 refused"
        content = envelope.content
        assert isinstance(content, bytes)
        email = message_from_bytes(content, policy=policy.default)
        assert isinstance(email, EmailMessage)
        self.received.append(email)
        return "250 OK"


@asynccontextmanager
async def smtp_sink() -> AsyncIterator[SmtpSink]:
    """A running `SmtpSink`."""
    sink = SmtpSink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, hostname="sink"), "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()
