"""The commands of messages to people."""

from __future__ import annotations

import time

import click
import uuid_utils

from alphapulse_api.cli.options import CONFIG
from alphapulse_api.config import Config
from alphapulse_api.domain.errors import StartupError
from alphapulse_api.domain.times import now
from alphapulse_api.notify.channels import channel_of
from alphapulse_api.notify.message import trial
from alphapulse_api.notify.outcome import Outcome
from alphapulse_api.notify.service import link_of
from alphapulse_api.runtime.tuning import run


@click.group()
def notify() -> None:
    """Messages to people about alerts."""


@notify.command("test")
@click.argument("receiver")
@CONFIG
def test_receiver(receiver: str, config_path: str | None) -> None:
    """Send one test message to a receiver, and say what happened. No database is opened."""
    config = Config.load(config_path)
    if receiver not in config.notify.receivers:
        known = ", ".join(config.notify.receivers) or "none"
        raise StartupError(f"notify.receivers: there is no {receiver!r}; there are {known}")
    channel = channel_of(config.notify, receiver, time.time)
    message = trial(f"msg_{uuid_utils.uuid7().hex}", receiver, now(), link_of(config))

    async def work() -> Outcome:
        try:
            return await channel.send(message, ())
        finally:
            await channel.close()

    outcome = run(work())
    if outcome.error is not None:
        raise StartupError(f"the receiver {receiver!r} did not take the message: {outcome.error}")
    click.echo(f"the receiver {receiver!r} took the message")
