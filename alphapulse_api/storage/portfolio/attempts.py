"""What the units of work of a portfolio's writer are given, and what they return."""

from __future__ import annotations

from typing import NamedTuple

from alphapulse_api.domain.encoded import Encoded
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.storage.portfolio.comparing import Comparison
from alphapulse_api.storage.portfolio.frames import Content, Frame, Place
from alphapulse_api.storage.portfolio.reading import Snapshot
from alphapulse_api.storage.portfolio.state import State


class Newest(NamedTuple):
    """The newest frame, which the next one is compared with."""

    place: Place
    content: Content


class NotYet(NamedTuple):
    """A unit of work did nothing: another process stored a frame, or a frame must be read first."""

    unread: tuple[int | None, int | None] | None = None


class Stored(NamedTuple):
    """What a unit of work did: whether anything changed, the revision of the current snapshot if
    it is that, and the state after it."""

    changed: bool
    revision: int | None
    state: State


class Attempt(NamedTuple):
    """What a unit of work stores: a snapshot, and its frame, built on the place `base`."""

    snapshot: Snapshot
    shown: Encoded
    frame: Frame | None
    base: Place
    compared: Comparison | None
    latest: bool
    precondition: Precondition | None
