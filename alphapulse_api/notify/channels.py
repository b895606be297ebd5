"""The ways in which messages reach receivers: made from the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Protocol

from alphapulse_api.config import NotifyConfig
from alphapulse_api.domain.errors import ConfigError
from alphapulse_api.notify.apprise_channel import AppriseChannel
from alphapulse_api.notify.message import Message
from alphapulse_api.notify.outcome import Outcome
from alphapulse_api.notify.webhook_channel import WebhookChannel


class Channel(Protocol):
    """Sends messages to one receiver."""

    async def send(self, message: Message, reached: Collection[int]) -> Outcome:
        """Send a message once.

        Args:
            message: what to send.
            reached: the positions of those URLs that took it before, which are left out.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


def channels_of(config: NotifyConfig, clock: Callable[[], float] = time.time) -> dict[str, Channel]:
    """The way to each receiver.

    Args:
        config: the receivers.
        clock: seconds since the epoch.

    Raises:
        ConfigError: with a line for each receiver that cannot be reached in any way.
    """
    channels: dict[str, Channel] = {}
    faults: list[str] = []
    for name in config.receivers:
        try:
            channels[name] = channel_of(config, name, clock)
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(*faults)
    return channels


def channel_of(config: NotifyConfig, name: str, clock: Callable[[], float]) -> Channel:
    """The way to one receiver.

    Args:
        config: the receivers.
        name: of one of them.
        clock: seconds since the epoch.

    Raises:
        ConfigError: if it cannot be reached in any way; without its URLs.
    """
    receiver = config.receivers[name]
    if receiver.webhook.url is not None:
        return WebhookChannel(receiver.webhook, config.timeout, clock)
    return AppriseChannel(receiver.urls, f"notify.receivers.{name}.urls", config.timeout)
