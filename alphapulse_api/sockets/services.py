"""What the connections of a process share."""

from __future__ import annotations

from typing import NamedTuple

from alphapulse_api.auth.authenticator import Authenticator
from alphapulse_api.config import WebSocketConfig
from alphapulse_api.log import EventLog
from alphapulse_api.sockets.fanout import FanOut
from alphapulse_api.sockets.lag_timer import LagTimer
from alphapulse_api.sockets.readings import Readings
from alphapulse_api.sockets.snapshot import Snapshots
from alphapulse_api.view import Views


class Services(NamedTuple):
    """What every connection of a process uses.

    Attributes:
        fanout: dispatches events to the connections.
        events: the log.
        snapshots: the present state of channels.
        readings: the callers' budgets for snapshots and replays.
        authenticator: checks callers.
        views: what callers may read.
        config: limits and times.
        lag_timer: polls slow clients.
    """

    fanout: FanOut
    events: EventLog
    snapshots: Snapshots
    readings: Readings
    authenticator: Authenticator
    views: Views
    config: WebSocketConfig
    lag_timer: LagTimer
