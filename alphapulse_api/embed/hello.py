"""The first message to the dashboard's process."""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_api.config import Config


@dataclass(frozen=True, slots=True)
class Hello:
    """The options that the host passes to the process.

    Attributes:
        config: the configuration.
        serve: whether to serve HTTP.
        first_user: whether to create `admin` if there are no users.
        host_pid: the process id of the host.
        niceness: added to the niceness of the process.
    """

    config: Config
    serve: bool
    first_user: bool
    host_pid: int
    niceness: int
