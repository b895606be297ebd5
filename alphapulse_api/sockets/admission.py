"""Limits on open sockets: in total, per caller, and for those that have not authenticated.

A browser can authenticate only after the upgrade, so a socket may open without credentials. Such
sockets are limited, in total and per address. When no place is left, a handshake with valid
credentials takes the place of the oldest unauthenticated socket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from alphapulse_api.config import WebSocketConfig
from alphapulse_api.domain.errors import RateLimited, Unavailable

RETRY_SECONDS: Final = 5


class Place:
    """One socket's place, from before the upgrade to the end.

    Args:
        admission: the admission that made it.
        address: the client's address, as it is counted.

    Attributes:
        subject: the caller that it counts against; None before authentication.
        give_way: closes the socket in favour of an authenticated one.
    """

    __slots__ = ("_admission", "address", "give_way", "subject")

    def __init__(self, admission: Admission, address: str) -> None:
        self._admission = admission
        self.address = address
        self.subject: str | None = None
        self.give_way: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Place {self.address} {self.subject or 'unauthenticated'}>"

    def claim(self, subject: str) -> bool:
        """Count the socket for the caller; return False if the caller has reached its limit."""
        return self._admission.claim(self, subject)

    def leave(self) -> None:
        """Release the place; a second time does nothing."""
        self._admission.leave(self)


class Admission:
    """The places of one process.

    Args:
        config: the limits.
    """

    def __init__(self, config: WebSocketConfig) -> None:
        self._config = config
        self._places: set[Place] = set()
        self._waiting: dict[Place, None] = {}  # unauthenticated, the oldest first
        self._by_address: Counter[str] = Counter()  # of the unauthenticated
        self._by_subject: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Admission open={len(self._places)} unauthenticated={self.unauthenticated}>"

    @property
    def unauthenticated(self) -> int:
        """How many sockets have not authenticated."""
        return len(self._waiting)

    def enter(self, address: str, *, authenticated: bool) -> Place:
        """Take a place.

        Args:
            address: the client's address, as it is counted.
            authenticated: whether the handshake had valid credentials.

        Raises:
            RateLimited: if the address has too many unauthenticated sockets.
            Unavailable: if there are too many sockets, or too many unauthenticated ones.
        """
        config = self._config
        if not authenticated:
            if self._by_address[address] >= config.max_unauthenticated_per_address:
                raise RateLimited(
                    f"At most {config.max_unauthenticated_per_address} sockets of one address may "
                    "be open without credentials",
                    RETRY_SECONDS,
                )
            if len(self._waiting) >= config.max_unauthenticated:
                raise Unavailable("There are too many connections.", RETRY_SECONDS)
        if len(self._places) >= config.max_connections and not (authenticated and self._evict()):
            raise Unavailable("There are too many connections.", RETRY_SECONDS)
        place = Place(self, address)
        self._places.add(place)
        if not authenticated:
            self._waiting[place] = None
            self._by_address[address] += 1
        return place

    def claim(self, place: Place, subject: str) -> bool:
        """Count the place for the caller; return False if the caller has reached its limit."""
        if subject == place.subject:
            return True
        limit = self._config.max_user_connections
        if limit is not None and self._by_subject[subject] >= limit:
            return False
        if place not in self._places:  # evicted while its credentials were checked
            return False
        self._release(place)
        place.give_way = None
        place.subject = subject
        self._by_subject[subject] += 1
        return True

    def leave(self, place: Place) -> None:
        """Release the place; a second time does nothing."""
        if place in self._places:
            self._places.remove(place)
            self._release(place)
            place.give_way = None

    def _evict(self) -> bool:
        """Close the oldest open socket that has not authenticated; return whether there was one."""
        for place in self._waiting:
            if place.give_way is not None:
                give_way = place.give_way
                self.leave(place)
                give_way()
                return True
        return False

    def _release(self, place: Place) -> None:
        """Undo how the place was counted."""
        if place.subject is not None:
            _decrement(self._by_subject, place.subject)
        elif place in self._waiting:
            del self._waiting[place]
            _decrement(self._by_address, place.address)


def _decrement(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
