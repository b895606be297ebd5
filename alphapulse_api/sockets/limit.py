"""The books that a subscription is limited to: those that it names, or that its caller has."""

from __future__ import annotations

from collections.abc import Mapping

from alphapulse_api.auth.caller import Caller
from alphapulse_api.domain.books import EVERY
from alphapulse_api.domain.channels import BOOKS, CHANNELS, PRICES, Channel
from alphapulse_api.domain.errors import NotFound
from alphapulse_api.sockets.refusal import Refused
from alphapulse_api.sockets.requests import Selection
from alphapulse_api.view import Views


async def limited(
    views: Views, caller: Caller, channels: Mapping[str, Selection]
) -> dict[str, Selection]:
    """The channels of a subscribe, with the limits of the caller among the filters.

    Whatever is read, replayed or sent for a subscription passes its filters, so the limits hold
    everywhere.

    Raises:
        Refused: invalid_filter, for a book that the caller does not have; the same for one that
            does not exist.
    """
    found: dict[str, Selection] = {}
    for name, selection in channels.items():
        books = selection.filters.get(BOOKS)
        if books is None:
            books = _default(CHANNELS[name], caller)
        elif EVERY in books:
            books = _all(CHANNELS[name], caller)
        else:
            try:
                await views.check(caller, sorted(books))
            except NotFound as problem:
                raise Refused("invalid_filter", problem.detail, name) from None
        filters = {key: value for key, value in selection.filters.items() if key != BOOKS}
        if books is not None:
            filters[BOOKS] = books
        found[name] = selection._replace(filters=filters)
    return found


def _default(channel: Channel, caller: Caller) -> frozenset[str] | None:
    """The books that the caller means without naming any; None: every book, and none."""
    if not channel.every_book:
        return frozenset((caller.home,))
    return _all(channel, caller)


def _all(channel: Channel, caller: Caller) -> frozenset[str] | None:
    """The books that the caller may use; None: every book, and none."""
    if caller.books is None:
        return None
    prices = (PRICES,) if channel.name == "metrics" else ()
    return frozenset((*caller.books, *prices))
