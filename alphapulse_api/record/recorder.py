"""The base of the recorders of points, trades and history."""

from __future__ import annotations

from datetime import tzinfo
from typing import NamedTuple, TypeVar

from marshmallow import Schema

from alphapulse_api.record.publishing import Publisher
from alphapulse_api.runtime.slices import Slices
from alphapulse_api.schemas.fields import set_clock
from alphapulse_api.storage.accessors import Accessors

S = TypeVar("S", bound=Schema)


class Resources(NamedTuple):
    """The objects that check, store and publish records.

    Attributes:
        accessors: where records are stored.
        publisher: publishes what is stored.
        slices: divides long checks on the loop.
        ahead: seconds by which a record's time may be ahead of this clock.
        zone: the zone of datetimes that have none; None refuses them.
    """

    accessors: Accessors
    publisher: Publisher
    slices: Slices
    ahead: float
    zone: tzinfo | None

    def clocked(self, schema: S) -> S:
        """The schema, set to check times by `ahead` and `zone`."""
        set_clock(schema, self.ahead, self.zone)
        return schema


class Recorder:
    """Checks, completes, stores and publishes records of one kind."""

    def __init__(self, resources: Resources) -> None:
        self._accessors = resources.accessors
        self._publisher = resources.publisher
        self._slices = resources.slices
