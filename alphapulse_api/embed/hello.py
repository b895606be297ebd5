"""What the dashboard's process is sent first."""

from __future__ import annotations

from dataclasses import dataclass

from alphapulse_api.config import Config


@dataclass(frozen=True, slots=True)
class Hello:
    """The options that the host passes to the process.

    Attributes:
        config: what is in force.
        serve: whether HTTP is served.
        first_user: whether to make `admin` if there are no users.
        host_pid: the host's process.
        niceness: added to the process's own.
    """

    config: Config
    serve: bool
    first_user: bool
    host_pid: int
    niceness: int
