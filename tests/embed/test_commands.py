"""Commands in the hands of synchronous hosts, in a thread and in a process beside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alphapulse_api import Config, Dashboard
from alphapulse_api.domain.errors import Conflict
from tests.asking import OBEDIENT


@pytest.fixture(params=["in_thread", "in_process"])
def feed(request: pytest.FixtureRequest, config: Config) -> Iterator[Any]:
    with getattr(Dashboard, request.param)(config, serve=False) as running:
        running.update_agent("m1", OBEDIENT, wait=True)
        yield running


def test_a_host_takes_what_is_pending_in_its_turn(feed: Any) -> None:
    assert list(feed.commands("m1", timeout=0)) == []
    sent = [feed.send_command("m1", {"name": name})["id"] for name in ("pause", "halt")]
    taken = []
    for command in feed.commands("m1", timeout=0):
        command.accept()
        assert command.done({"n": len(taken)})["state"] == "done"
        taken.append(command.id)
    assert taken == sent
    with pytest.raises(Conflict):
        feed.answer_command(sent[0], "refused", "late")


def test_a_thread_of_the_host_waits_for_commands(feed: Any) -> None:
    taken: list[str] = []

    def obey() -> None:
        for command in feed.commands("m1"):
            command.done()
            taken.append(command.name)
            if command.name == "halt":
                return

    thread = threading.Thread(target=obey)
    thread.start()
    for name in ("pause", "pause", "halt"):
        feed.send_command("m1", {"name": name})
    thread.join(30)
    assert taken == ["pause", "pause", "halt"]


def test_a_host_that_was_stopped_does_not_carry_out_what_is_over(
    feed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = feed.send_command("m1", {"name": "pause", "ttl": 5})
    take = feed.take_command

    def stopped(*args: Any) -> Any:
        taken = take(*args)
        if taken is not None:
            taken["monotonic_end"] -= 5  # as long as the process was stopped
        return taken

    monkeypatch.setattr(type(feed), "take_command", lambda _, *args: stopped(*args))
    assert list(feed.commands("m1", timeout=0)) == []
    with pytest.raises(Conflict, match="refused"):
        feed.answer_command(sent["id"], "done")
