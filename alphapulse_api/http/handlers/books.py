"""Books: listed, opened, changed, and their portfolios side by side."""

from __future__ import annotations

from typing import Any

from alphapulse_api.http.route import Call


async def list_books(call: Call) -> Any:
    """Books, by id."""
    return await call.view.book_list.get_books(**call.query)


async def get_book(call: Call) -> Any:
    """One book."""
    return await call.view.book_list.get_book(call.path["id"])


async def put_book(call: Call) -> Any:
    """Open a book, or change one; fields that are left out keep their values.

    The first record of a book fixes its mode, and its first portfolio the currency. A closed book
    takes late facts and corrections of its trades, and nothing new.
    """
    return await call.view.feed.put_book(
        call.path["id"], call.body, precondition=call.precondition, actor=call.actor
    )


async def get_portfolios(call: Call) -> Any:
    """The current portfolio of each book, and totals of open books by mode and currency."""
    return await call.view.portfolios.get_portfolios()
