"""Finds what the caller of a request may read and write of what it asks about."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from alphapulse_api.backend import BACKEND
from alphapulse_api.http.pipeline.auth import CALLER
from alphapulse_api.http.query import Question
from alphapulse_api.http.route import Row
from alphapulse_api.view import View

VIEW: Final[web.RequestKey[View]] = web.RequestKey("view", View)


async def view_of(request: web.Request, row: Row, question: Question) -> View:
    """The view of a request, which is found once.

    Raises:
        NotFound: for a book that the caller does not have.
    """
    view = request.get(VIEW)
    if view is None:
        views = request.app[BACKEND].views
        view = await views.asked(request[CALLER], question.books, every=row.means_every_book)
        request[VIEW] = view
    return view
