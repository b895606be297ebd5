"""Which books exist."""

from __future__ import annotations

import re
from collections.abc import Collection

from alphapulse_api.domain.books import BOOK, MAIN
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.query import Where


class KnownBooks:
    """Knows which books exist; those that it has found are remembered, since none is removed.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known = {MAIN}

    def __repr__(self) -> str:
        return f"<KnownBooks {len(self._known)}>"

    async def unknown(self, ids: Collection[str]) -> list[str]:
        """Those of the ids that no book has, in their order."""
        sought = [book for book in ids if book not in self._known and re.fullmatch(BOOK, book)]
        if sought:
            where = Where()
            where.one_of("id", sought)
            rows = await self._engine.fetch(f"SELECT id FROM books {where}", *where.args)
            self._known.update(book for (book,) in rows)
        return [book for book in ids if book not in self._known]
