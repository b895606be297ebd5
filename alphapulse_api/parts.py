"""Checks that the parts of a configuration can be created."""

from __future__ import annotations

from functools import partial

from alphapulse_api.config import Config
from alphapulse_api.domain.errors import ConfigError
from alphapulse_api.notify.channels import channels_of
from alphapulse_api.rules.configured import configured_rules
from alphapulse_api.runtime.redis import RedisLinks
from alphapulse_api.storage.engines import engine_from


def check_parts(config: Config) -> None:
    """Check that every part the configuration names can be created, without opening any.

    Raises:
        ConfigError: with a line for each part that cannot be created, such as one whose package is
            missing.
    """
    links = RedisLinks()
    faults: list[str] = []
    for make in (
        partial(engine_from, config.database),
        partial(links.of, config.cache),
        partial(links.of, config.events),
        partial(channels_of, config.notify),
        partial(configured_rules, config),
    ):
        try:
            make()
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(*dict.fromkeys(faults))
