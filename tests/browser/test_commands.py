"""Commands to agents: an operator pauses one, an admin halts all, and a viewer has no button."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from alphapulse_api.embed.thread_dashboard import ThreadFeed
from tests.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.browser.conftest import Opener

SECONDS = 20.0  # that an agent waits for its command
RESIZE = {
    "name": "resize",
    "level": "full",
    "title": "Sells a part of every position.",
    "parameters": {
        "properties": {
            "percent": {"type": "integer", "minimum": 1, "maximum": 100},
            "side": {"enum": ["long", "short"]},
        },
        "required": ["percent"],
    },
}
COMMANDS = [
    {"name": "pause", "level": "basic", "title": "Opens no new positions."},
    {"name": "halt", "level": "full"},
    RESIZE,
]
DIALOG = "#command-dialog[open]"


def declare(desk: ThreadFeed, *agents: str) -> None:
    """Agents that are active and can be commanded."""
    for agent in agents:
        desk.update_agent(agent, {"state": "active", "commands": COMMANDS})


@contextmanager
def obeying(desk: ThreadFeed, agent: str) -> Iterator[list[Any]]:
    """An agent that carries out one command; its parameters."""
    seen: list[Any] = []

    def work() -> None:
        for command in desk.commands(agent, timeout=SECONDS):
            command.accept()
            desk.update_agent(agent, {"state": "inactive"})
            seen.append(command.parameters)
            command.done({"open_orders": 0})
            return

    thread = threading.Thread(target=work)
    thread.start()
    yield seen
    thread.join()


def test_an_operator_pauses_an_agent_and_sees_it_paused(
    desk: ThreadFeed, open_console: Opener
) -> None:
    declare(desk, "m1")
    page = open_console(desk.url)
    page.login("olga", PASSWORD)
    page.until(lambda: page.count("#agents tr[data-id=m1] button"), "the button")
    assert page.texts("#agents tr[data-id=m1] button") == ["pause"], "halt and resize are full"
    assert page.count("#panel-agents button[name=halt][hidden]")
    with obeying(desk, "m1"):
        page.press("#agents button[data-action=pause]")
        page.until(lambda: page.count(DIALOG), "the question")
        assert "pause: m1?" in page.text(DIALOG)
        assert "Opens no new positions." in page.text(DIALOG)
        page.driver.find_element("css selector", f"{DIALOG} textarea").send_keys("news")
        page.press(f"{DIALOG} button[type=submit]")
        page.until(lambda: "done" in page.text("#commands tbody tr"), "the answer")
    row = page.text("#commands tbody tr")
    for part in ("m1", "pause", "olga", "news", "open_orders"):
        assert part in row
    page.until(lambda: "inactive" in page.text("#agents tr[data-id=m1]"), "the agent to be paused")


def test_the_parameters_of_a_command_are_asked_for(desk: ThreadFeed, open_console: Opener) -> None:
    declare(desk, "m1")
    page = open_console(desk.url)
    page.login("ada", PASSWORD)
    with obeying(desk, "m1") as seen:
        page.press("#agents button[data-action=resize]")
        page.until(lambda: page.count(DIALOG), "the question")
        page.driver.find_element("css selector", f"{DIALOG} [name=percent]").send_keys("40")
        page.press(f"{DIALOG} button[type=submit]")
        page.until(lambda: "done" in page.text("#commands tbody tr"), "the answer")
    assert seen == [{"percent": 40}]
    assert '{"percent":40}' in page.text("#commands tbody tr")


def test_an_admin_halts_all_and_sees_what_became_of_each(
    desk: ThreadFeed, open_console: Opener
) -> None:
    declare(desk, "m1", "m2")
    desk.update_agent("deaf", {"state": "active"})
    page = open_console(desk.url)
    page.login("ada", PASSWORD)
    page.until(lambda: page.count("#agents tbody tr") == 3, "the agents")
    with obeying(desk, "m1"):
        page.press("#panel-agents button[name=halt]")
        page.until(lambda: page.count("#halt-dialog[open]"), "the question")
        assert "m1, m2" in page.text("#halt-dialog [data-field=effect]")
        assert "do not declare it: deaf" in page.text("#halt-dialog [data-field=unable]")
        page.press("#halt-dialog button[type=submit]")
        page.until(lambda: "done" in page.text("#halted li[data-id=m1]"), "the one that obeys")
    assert "nobody takes the commands" in page.text("#halted li[data-id=m2]")
    assert "1 of 2 have not answered" in page.text("#halt-dialog [data-field=effect]")
    assert page.count("#commands tbody tr") == 2


def test_a_viewer_has_no_command_and_would_be_refused(
    desk: ThreadFeed, open_console: Opener
) -> None:
    declare(desk, "m1")
    page = open_console(desk.url)
    page.login("vera", PASSWORD)
    page.until(lambda: page.count("#agents tbody tr"), "the agent")
    page.until(lambda: page.text("#panel-commands .status"), "that there are none")
    assert not page.count("#agents button")
    assert page.count("#panel-agents button[name=halt][hidden]")
    form = {"grant_type": "password", "username": "vera", "password": PASSWORD}
    with urllib.request.urlopen(f"{desk.url}/token", urllib.parse.urlencode(form).encode()) as r:
        token = json.load(r)["access_token"]
    for path in ("agents/m1/commands", "commands/halt"):
        request = urllib.request.Request(
            f"{desk.url}/api/{path}",
            b'{"name": "pause"}',
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 403
        refused.value.close()
