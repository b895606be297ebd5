"""The ways to receivers, against real servers."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

import pytest

from alphapulse_api.config import Config, NotifyConfig, ReceiverConfig, WebhookConfig
from alphapulse_api.domain.errors import ConfigError
from alphapulse_api.notify.apprise_channel import LOGGERS
from alphapulse_api.notify.channels import Channel, channels_of
from alphapulse_api.notify.outcome import Outcome
from alphapulse_api.parts import check_parts
from tests.notify.messages import alert, message
from tests.notify.sinks import KEY, TOKEN, HttpSink, SmtpSink

CLOSED = "http://127.0.0.1:1"  # nobody listens there


def way(receiver: ReceiverConfig, timeout: float = 30.0) -> Channel:
    return channels_of(NotifyConfig(receivers={"a": receiver}, timeout=timeout))["a"]


async def send(receiver: ReceiverConfig, timeout: float = 30.0, reached: Any = ()) -> Outcome:
    channel = way(receiver, timeout)
    try:
        return await channel.send(message(alert("Drawdown", message="Ten percent.")), reached)
    finally:
        await channel.close()


# -- webhooks


async def test_a_webhook_is_signed_json(sink: HttpSink) -> None:
    assert await send(sink.receiver) == Outcome()
    (received,) = sink.received
    assert received.data["receiver"] == "phone"
    assert received.id == "msg_1"
    assert received.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, Outcome()),
        (302, Outcome("HTTP 302: redirects are not followed")),
        (404, Outcome("HTTP 404")),
        (410, Outcome("HTTP 410: the receiver wants no more messages", final=True)),
        (500, Outcome("HTTP 500")),
    ],
)
async def test_what_the_status_of_a_webhook_means(
    sink: HttpSink, other: HttpSink, status: int, outcome: Outcome
) -> None:
    sink.statuses, sink.headers = [status], {"Location": other.url}
    assert await send(sink.receiver) == outcome
    assert len(sink.received) == 1
    assert other.received == []


async def test_a_receiver_may_say_when_to_come_back(sink: HttpSink) -> None:
    sink.statuses = [429, 503]
    sink.headers = {"Retry-After": "120"}
    assert (await send(sink.receiver)).retry_after == 120
    sink.headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert (await send(sink.receiver)).retry_after is None


async def test_a_webhook_that_hangs_may_have_arrived(sink: HttpSink) -> None:
    sink.hanging = True
    assert await send(sink.receiver, 0.1) == Outcome("no answer within 0.1 s", uncertain=True)


async def test_a_webhook_that_cannot_be_reached_says_no_address() -> None:
    receiver = ReceiverConfig(webhook=WebhookConfig(f"{CLOSED}/{TOKEN}", KEY))
    assert await send(receiver) == Outcome("cannot connect: Connection refused")
    nowhere = ReceiverConfig(webhook=WebhookConfig(f"http://{TOKEN}.invalid/", KEY))
    outcome = await send(nowhere)
    assert outcome.error is not None
    assert TOKEN not in outcome.error


# -- apprise


async def test_apprise_posts_json(sink: HttpSink) -> None:
    assert await send(sink.apprise) == Outcome()
    (received,) = sink.received
    content = json.loads(received.body)
    assert content["title"] == "[ERROR] Drawdown"
    assert "Ten percent." in content["message"]
    assert content["type"] == "failure"


async def test_apprise_sends_e_mail(mail: SmtpSink) -> None:
    assert await send(mail.receiver) == Outcome()
    (email,) = mail.received
    assert email["Subject"] == "[ERROR] Drawdown"
    assert email["To"] == "ann@example.com"
    body = email.get_body(("plain", "html"))
    assert body is not None
    assert "Ten percent." in body.get_content()
    mail.refusing = True
    assert (await send(mail.receiver)).error is not None


async def test_apprise_follows_no_redirect(sink: HttpSink, other: HttpSink) -> None:
    sink.statuses, sink.headers = [302], {"Location": other.url}
    assert (await send(sink.apprise)).error is not None
    assert other.received == []


async def test_what_apprise_says_of_a_failure_has_no_secret(
    sink: HttpSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink.statuses = [500]
    outcome = await send(sink.apprise)
    assert outcome.error is not None
    assert "500" in outcome.error
    await send(ReceiverConfig(urls=(f"json://127.0.0.1:1/{TOKEN}",)))
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert TOKEN not in outcome.error + logged
    # The filters concern our threads alone.
    logging.getLogger(LOGGERS[0]).warning("of the host")
    assert "of the host" in caplog.messages


async def test_a_service_that_hangs_delays_no_other(sink: HttpSink, other: HttpSink) -> None:
    sink.hanging = True
    both = ReceiverConfig(urls=(*sink.apprise.urls, *other.apprise.urls))
    outcome = await send(both, 0.3)
    assert outcome == Outcome("not taken within 0.3 s", uncertain=True, reached=frozenset({1}))
    # The one that took it does not get it again.
    sink.release()
    assert await send(both, reached=outcome.reached) == Outcome()
    assert len(other.received) == 1


# -- what cannot be


def test_a_url_that_apprise_does_not_know_is_named_by_its_key() -> None:
    urls = ("ntfy://topic", f"nonsense://{TOKEN}", f"slack://{TOKEN}")
    with pytest.raises(ConfigError) as caught:
        check_parts(Config(notify=NotifyConfig(receivers={"a": ReceiverConfig(urls=urls)})))
    assert caught.value.faults == (
        "notify.receivers.a.urls[1]: apprise does not know this URL, or it lacks something",
        "notify.receivers.a.urls[2]: apprise does not know this URL, or it lacks something",
    )


def test_without_the_extra_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError) as caught:
        way(ReceiverConfig(urls=("ntfy://topic",)))
    assert caught.value.faults == (
        "notify.receivers.a.urls: needs the package apprise: pip install 'alphapulse-api[notify]'",
    )
    # Webhooks need no extra.
    asyncio.run(way(ReceiverConfig(webhook=WebhookConfig(CLOSED, KEY))).close())
