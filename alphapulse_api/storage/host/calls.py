"""Calls of a host's own accessor, shared by the adapters.

A host's object needs only the methods that are called, with only the parameters that it supports.
It has no outbox, and it does not say whether it changed anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from alphapulse_api.domain.books import MAIN
from alphapulse_api.domain.errors import NOT_IMPLEMENTED, Conflict, Problem, ValidationProblem
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.storage.page import Page
from alphapulse_api.storage.stores import Record, Written


class HostObject:
    """Base of the adapters: calls the methods of a host's object.

    Args:
        resource: the name of its resource.
        accessor: the object.
    """

    def __init__(self, resource: str, accessor: Any) -> None:
        self._resource = resource
        self._accessor = accessor

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._accessor!r}>"

    def _method(self, name: str) -> Callable[..., Any]:
        """A method of the object.

        Raises:
            Problem: 501, if it does not have the method.
        """
        found: Callable[..., Any] | None = getattr(self._accessor, name, None)
        if found is None:
            raise Problem(
                NOT_IMPLEMENTED,
                f"The host's own {self._resource} accessor has no method {name}; "
                "it can be added there.",
            )
        return found

    def _takes(self, name: str, parameter: str) -> bool:
        return not _not_taken(self._method(name), [parameter])

    async def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a method.

        Raises:
            Problem: 501, if the object does not have the method.
            ValidationProblem: naming the parameters that the method does not take.
        """
        method = self._method(name)
        if strangers := _not_taken(method, kwargs):
            detail = "The host's own accessor does not know this parameter."
            raise ValidationProblem([{"parameter": n, "detail": detail} for n in strangers])
        return await method(*args, **kwargs)

    def _no_versions(self, precondition: Precondition | None) -> None:
        """Refuse a condition, because nothing could check it while the object stores.

        Raises:
            Problem: 501, if there is one.
        """
        if precondition is not None:
            raise Problem(
                NOT_IMPLEMENTED,
                f"The host's own {self._resource} accessor has no versions: leave If-Match "
                "and If-None-Match out.",
            )

    async def _page(self, name: str, /, *args: Any, **kwargs: Any) -> Page:
        """The rows that a method returns, as a page; raises as `_call` does."""
        rows = await self._call(name, *args, **kwargs)
        return rows if isinstance(rows, Page) else page_of(rows)

    def _of_main(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A record without its book, because a host's object keeps the records of one book.

        Raises:
            Problem: 501, if it is another book than the main one.
        """
        if record.get("book") not in (None, MAIN):
            raise not_of_main(self._resource)
        return {name: value for name, value in record.items() if name != "book"}


def not_of_main(resource: str) -> Problem:
    """The refusal of a question or a record that is not of the main book."""
    return Problem(
        NOT_IMPLEMENTED, f"The host's own {resource} accessor serves the book main only."
    )


def in_main(record: Record) -> Record:
    """A record of a host's object, with its book."""
    return record if "book" in record else {**record, "book": MAIN}


def booked(rows: Page) -> Page:
    """A page of records of a host's object, with their book."""
    if not rows or "book" in rows[0]:
        return rows
    made: list[Any] = [in_main(row) for row in rows]
    return Page(made, as_given, rows.next_cursor, rows.approximate)


async def each(
    add: Callable[[Mapping[str, Any]], Awaitable[Written]],
    records: Sequence[Mapping[str, Any]],
    conflicts: dict[int, Conflict] | None,
) -> list[Written]:
    """Store records one by one, as a host's object takes them.

    Raises:
        Conflict: if `conflicts` is not given to be filled; records stored before it stay.
    """
    stored: list[Written] = []
    for index, record in enumerate(records):
        try:
            stored.append(await add(record))
        except Conflict as conflict:
            if conflicts is None:
                raise
            conflicts[index] = conflict
            stored.append((dict(record), False))
    return stored


def page_of(rows: Any, following: str | None = None) -> Page:
    """A host's dicts, with the attributes of a page that its sequence has."""
    following = getattr(rows, "next_cursor", following)
    return Page(rows, as_given, following, getattr(rows, "approximate", ()))


def _not_taken(method: Callable[..., Any], names: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """The keyword arguments that a method does not take, sorted."""
    parameters = inspect.signature(method).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return []
    return sorted(set(names) - parameters.keys())


def as_given(rows: Sequence[Any], plain: bool) -> list[Record]:
    """Rows that are dicts already."""
    return list(rows)
