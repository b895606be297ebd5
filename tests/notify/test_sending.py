"""Alerts reach receivers: at the right time, as one message, and no more often than that."""

from __future__ import annotations

from alphapulse_api.config import MatchConfig, QuietHoursConfig, ReceiverConfig, RouteConfig
from alphapulse_api.domain.times import from_micros
from alphapulse_api.storage.engine import Engine
from tests.notifications import add_silence
from tests.notify.sending import SECOND, sending
from tests.notify.sinks import HttpSink, SmtpSink
from tests.waiting import until

HOUR = 3600


async def test_a_hundred_alerts_of_a_second_are_one_message(engine: Engine, sink: HttpSink) -> None:
    async with sending(engine, receivers={"a": sink.receiver}, group_wait=10) as here:
        for n in range(100):
            await here.raise_alert(f"a{n}")
        await here.routed()
        assert sink.received == []
        here.advance(11)
        await here.until_state("delivered", 100)
        (message,) = sink.received
        assert message.data["count"] == 100
        assert len({row["message_id"] for row in await here.log(limit=200)}) == 1
        # The next one of the group waits for the interval, not for the wait alone.


async def test_a_message_tells_how_an_alert_is_now(engine: Engine, sink: HttpSink) -> None:
    async with sending(engine, receivers={"a": sink.receiver}, group_wait=10) as here:
        await here.raise_alert("over")
        await here.raise_alert("new")
        await here.resolve("over")
        await here.routed()
        here.advance(11)
        await here.until_state("delivered", 3)
        (message,) = sink.received
        assert message.alerts == {"new": "active", "over": "resolved"}
        assert message.causes == {"new": ["raised"], "over": ["raised", "resolved"]}


async def test_each_change_is_told_where_it_is_wanted(
    engine: Engine, sink: HttpSink, other: HttpSink
) -> None:
    routes = (
        RouteConfig(receivers=("all",), acknowledged=True, continues=True),
        RouteConfig(receivers=("few",), resolved=False),
    )
    names = {"all": sink.receiver, "few": other.receiver}
    async with sending(engine, receivers=names, routes=routes) as here:
        for change in (here.raise_alert, here.acknowledge, here.resolve):
            await change()
            await here.settled()
        assert [message.alerts for message in sink.received] == [
            {"a1": "active"}, {"a1": "acknowledged"}, {"a1": "resolved"},
        ]  # fmt: skip
        assert [message.alerts for message in other.received] == [{"a1": "active"}]


async def test_an_alert_is_repeated_until_somebody_acknowledges_it(
    engine: Engine, sink: HttpSink
) -> None:
    async with sending(engine, receivers={"a": sink.receiver}, repeat_interval=HOUR) as here:
        await here.raise_alert("seen")
        await here.raise_alert("open")
        await here.until_state("delivered", 2)
        sink.received.clear()
        here.advance(HOUR + 1)
        await here.until_state("delivered", 4)
        assert {title for got in sink.received for title in got.alerts} == {"seen", "open"}
        causes = [cause for message in sink.received for cause in message.causes.values()]
        assert causes == [["repeated"], ["repeated"]]
        await here.acknowledge("seen")
        await here.settled()
        assert [r["alert_id"] for r in await here.log(state=["pending"])] == ["open"]
        sink.received.clear()
        here.advance(HOUR + 1)
        await here.until_state("delivered", 5)
        assert [message.alerts for message in sink.received] == [{"open": "active"}]


async def test_an_alert_that_nobody_acknowledges_is_escalated_once(
    engine: Engine, sink: HttpSink, other: HttpSink
) -> None:
    names = {"a": sink.receiver, "boss": other.receiver}
    routes = (RouteConfig(receivers=("a",), escalate_to="boss", escalate_after=900),)
    async with sending(engine, receivers=names, routes=routes) as here:
        await here.raise_alert("seen")
        await here.raise_alert("open")
        await here.acknowledge("seen")
        await here.settled()
        assert other.received == []
        here.advance(901)
        await here.until_state("delivered", receiver="boss")
        assert other.received[0].causes == {"open": ["escalated"]}
        # Whoever was told that it is open is told that it is over.
        await here.resolve("open")
        await here.until_state("delivered", 2, receiver="boss")
        assert other.received[1].alerts == {"open": "resolved"}
        here.advance(HOUR)
        await here.settled()
        assert len(other.received) == 2


async def test_a_silence_holds_messages_back(engine: Engine, sink: HttpSink) -> None:
    async with sending(engine, receivers={"a": sink.receiver}) as here:
        end = from_micros(here.now() + HOUR * SECOND)
        await add_silence(here.store, "si", until=end)
        await here.raise_alert("open")
        await here.raise_alert("over")
        await here.raise_alert("loud", source="feed")
        await here.resolve("over")
        await here.until_state("silenced", 3)
        await here.until_state("delivered")
        assert [message.alerts for message in sink.received] == [{"loud": "active"}]
        (row, *_) = await here.log(state=["silenced"], alert_id="open")
        assert (row["silence_id"], row["due_at"]) == ("si", end)
        here.advance(HOUR + 1)
        await here.until_state("delivered", 2)
        await here.settled()
        assert [message.alerts for message in sink.received[1:]] == [{"open": "active"}]


async def test_a_silence_that_is_ended_releases_what_it_held_back(
    engine: Engine, sink: HttpSink
) -> None:
    from alphapulse_api.domain.deeds import HOST

    async with sending(engine, receivers={"a": sink.receiver}) as here:
        await add_silence(here.store, "si")
        await here.raise_alert()
        await here.until_state("silenced")
        here.store.silences.on_change = here.notifier.wake
        await here.store.silences.end_silence("si", actor=HOST)
        await here.until_state("delivered")
        assert len(sink.received) == 1


async def test_quiet_hours_put_messages_off(engine: Engine, sink: HttpSink) -> None:
    async with sending(engine, receivers={"a": sink.receiver}) as probe:
        noon = from_micros(probe.now())
    start, end = (f"{(noon.hour + hours) % 24:02}:{noon.minute:02}" for hours in (-1, 2))
    quiet = ReceiverConfig(
        webhook=sink.receiver.webhook, quiet_hours=QuietHoursConfig(start=start, end=end)
    )
    async with sending(engine, receivers={"a": quiet}) as here:
        await here.raise_alert("later", severity="error")
        await here.raise_alert("now", severity="critical")
        await here.until_state("delivered")
        await here.settled()
        assert [message.alerts for message in sink.received] == [{"now": "active"}]
        here.advance(2 * HOUR + 60)
        await here.until_state("delivered", 2)
        assert [message.alerts for message in sink.received[1:]] == [{"later": "active"}]


async def test_many_groups_become_few_messages(engine: Engine, sink: HttpSink) -> None:
    async with sending(
        engine, receivers={"a": sink.receiver}, group_by=("rule_id",), group_wait=5
    ) as here:
        for n in range(60):
            await here.raise_alert(f"a{n}", rule_id=f"r{n}")
        await here.routed()
        here.advance(6)
        await here.until_state("delivered", 60)
        assert len(sink.received) == 20
        assert sum(message.data["count"] for message in sink.received) == 60


async def test_all_kinds_of_receivers_at_once(
    engine: Engine, sink: HttpSink, other: HttpSink, mail: SmtpSink
) -> None:
    names = {"hook": sink.receiver, "json": other.apprise, "mail": mail.receiver}
    async with sending(engine, receivers=names) as here:
        await here.raise_alert()
        await here.until_state("delivered", 3)
        assert (len(sink.received), len(other.received), len(mail.received)) == (1, 1, 1)
        assert here.notifier.sent == {"hook": 1, "json": 1, "mail": 1}


async def test_what_waits_for_a_receiver_that_is_gone_is_given_up(
    engine: Engine, sink: HttpSink
) -> None:
    async with sending(engine, receivers={"old": sink.receiver}, group_wait=HOUR) as here:
        await here.raise_alert()
        await until(here.log)
    async with sending(engine, receivers={"new": sink.receiver}) as here:
        await here.until_state("failed")
        (row,) = await here.log()
        assert row["last_error"] == "this receiver is not configured any more"
        assert sink.received == []


async def test_nobody_is_told_of_what_no_route_wants(engine: Engine, sink: HttpSink) -> None:
    routes = (RouteConfig(match=MatchConfig(min_severity="critical"), receivers=("a",)),)
    async with sending(engine, receivers={"a": sink.receiver}, routes=routes) as here:
        await here.raise_alert(severity="error")
        await here.settled()
        assert await here.log() == []
