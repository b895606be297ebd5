"""A whole dashboard with the example in conf/, and what `/metrics` and `/readyz` say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from alphapulse_api import Config, Dashboard
from alphapulse_api.parts import check_parts
from tests.asking import ALERT, ask
from tests.conftest import Serve
from tests.notify.sinks import KEY, HttpSink, SmtpSink
from tests.waiting import until

CONF = Path(__file__).parents[2] / "conf" / "notify.yaml"


def example(sink: HttpSink, phone: HttpSink, mail: SmtpSink) -> Config:
    return Config.load(
        CONF,
        env={
            "AP_PUBLIC_URL": "https://dashboard.example.com",
            "AP_NOTIFY_MAIL": mail.receiver.urls[0],
            "AP_NOTIFY_PHONE": phone.apprise.urls[0],
            "AP_NOTIFY_HOOK": f"{sink.url}/hook",
            "AP_NOTIFY_SECRET": KEY,
        },
    )


async def test_the_example_tells_the_right_people(
    serve: Serve, sink: HttpSink, other: HttpSink, mail: SmtpSink
) -> None:
    config = example(sink, other, mail)
    check_parts(config)
    routes = tuple(
        replace(route, escalate_after=route.escalate_after and 0.1)
        for route in config.notify.routes
    )
    notify = replace(config.notify, group_wait=0.0, group_interval=0.0, routes=routes)
    server = await serve(notify=notify, public_url=config.public_url)
    caller = await server.login()
    await server.feed.raise_alert({**ALERT, "id": "a1", "severity": "critical"})
    await server.feed.raise_alert({**ALERT, "id": "a2", "severity": "info"})
    await until(lambda: sink.received and other.received and mail.received)
    (escalation,) = sink.received
    assert escalation.causes == {"drawdown": ["escalated"]}
    assert escalation.data["alerts"][0]["url"] == (
        "https://dashboard.example.com/console/#alert=a1"
    )
    assert mail.received[0]["Subject"] == "[CRITICAL] drawdown"
    await ask(server, "POST", "/api/alerts/a1/resolve", caller)
    await until(lambda: min(map(len, (sink.received, other.received, mail.received))) >= 2)
    metrics = (await ask(server, "GET", "/metrics", caller)).body.decode()
    assert 'alphapulse_notifications_sent_total{receiver="phone"} 2.0' in metrics
    assert 'alphapulse_notifications_failed_total{receiver="desk"} 0.0' in metrics
    assert 'alphapulse_notifications_waiting{receiver="duty"} 0.0' in metrics


async def test_a_receiver_that_fails_is_not_the_server_s_trouble(
    serve: Serve, sink: HttpSink
) -> None:
    sink.statuses = [500] * 10
    notify = replace(Config().notify, receivers={"a": sink.receiver}, group_wait=0.0)
    server = await serve(notify=notify)
    caller = await server.login()
    await server.feed.raise_alert({**ALERT, "id": "a1"})
    log = "/api/notifications?state=pending"

    async def failed() -> bool:
        rows = (await ask(server, "GET", log, caller)).json
        return bool(rows and rows[0]["last_error"] == "HTTP 500")

    await until(failed)
    assert (await ask(server, "GET", "/readyz")).status == 200


async def test_alerts_of_other_ways_in_are_told_too(serve: Serve, sink: HttpSink) -> None:
    notify = replace(Config().notify, receivers={"a": sink.receiver}, group_wait=0.0)
    server = await serve(notify=replace(notify, group_interval=0.0))
    caller = await server.login()
    await ask(server, "POST", "/api/alerts", caller, json=ALERT)
    await until(lambda: len(sink.received) == 1)
    silence = {"matchers": {"source": ["risk"]}, "until": "2099-12-31T00:00:00Z", "id": "si"}
    await ask(server, "POST", "/api/silences", caller, json=silence)
    await ask(server, "POST", "/api/alerts", caller, json={**ALERT, "title": "silenced"})
    firing = {
        "status": "firing", "fingerprint": "f", "startsAt": "2026-03-01T12:00:00Z",
        "labels": {"alertname": "FeedBehind", "severity": "critical"}, "annotations": {},
    }  # fmt: skip
    hook = {"version": "4", "status": "firing", "alerts": [firing]}
    assert (await ask(server, "POST", "/webhooks/alertmanager", caller, json=hook)).status == 200
    await until(lambda: len(sink.received) == 2)
    assert list(sink.received[1].alerts) == ["FeedBehind"]
    # Ending the silence releases what it held back.
    await ask(server, "DELETE", "/api/silences/si", caller)
    await until(lambda: len(sink.received) == 3)
    assert list(sink.received[2].alerts) == ["silenced"]


async def test_a_process_that_only_feeds_needs_no_receivers(
    serve: Serve, config: Config, sink: HttpSink
) -> None:
    notify = replace(config.notify, receivers={"a": sink.receiver}, group_wait=0.0)
    await serve(notify=notify)
    async with Dashboard(config, serve=False) as feeder:
        await feeder.feed.raise_alert(ALERT)
        await until(lambda: sink.received)
    assert sink.received[0].alerts == {"drawdown": "active"}
