"""A route: a row of data that the router, the middlewares and the API documents read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from marshmallow import Schema
from marshmallow.fields import Field

from alphapulse_api.auth.permissions import PUBLIC
from alphapulse_api.domain.encoding import loads, loads_floats
from alphapulse_api.domain.versions import Precondition
from alphapulse_api.schemas.queries import NoQuery

if TYPE_CHECKING:
    from alphapulse_api.auth.caller import Caller
    from alphapulse_api.domain.deeds import Actor
    from alphapulse_api.runtime.slices import Slices
    from alphapulse_api.view import View


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a handler sees it: validated, and free of HTTP.

    Attributes:
        caller: who asks.
        view: the records that the caller may read and write.
        slices: divides long work on the loop.
        identified: gives the actor; most requests need none.
        path: the path's variables.
        query: the parameters that were given, converted; those left out are absent.
        body: the JSON body; None if the route takes none.
        precondition: what the sender requires of the record that it changes.
    """

    caller: Caller
    view: View
    slices: Slices
    identified: Callable[[], Actor]
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any = None
    precondition: Precondition | None = None

    @property
    def actor(self) -> Actor:
        """Who asks, as the audit log has it."""
        return self.identified()


OF_BOOK: Final = "book={book};"  # of a resource
TOKEN: Final = "token"  # noqa: S105 (the variable of a path)
Handler = Callable[[Call], Awaitable[Any]]
# Stores records of a history; the flag marks the last call. Returns how many records are new.
Import = Callable[[Call, list[Any], bool], Awaitable[int]]
RawHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# From the request's media type, the status and the detail: the status, media type and body.
Refusal = Callable[[str, int, str], tuple[int, str, bytes]]


@dataclass(frozen=True, eq=False)
class Row:
    """One method of one path.

    Attributes:
        permission: a permission, or PUBLIC or ANY_CALLER; there is no default.
        also: further permissions that it needs.
        handler: gives the answer as plain data.
        raw: instead of `handler`, for answers that are not JSON; returns a response.
        query: the schema of the query string.
        body: the schema of the body, or None if the route takes none.
        body_may_be_array: an array of bodies is taken too, and a stream of them.
        body_is_array: an array of bodies is taken, and nothing else.
        body_in_lines: a stream of bodies is taken, and nothing else; `imports` takes them.
        imports: stores the records of an imported history, a batch a call.
        body_exact: numbers of the body keep their digits; otherwise they may be read as doubles.
        body_may_be_absent: no body at all means an empty object.
        answer: the schema of the answer.
        many: the answer is a list, which can also be had in the other formats.
        export: the answer is the whole of a list as a file, in another format than JSON.
        status: the status of success.
        located: a new record has a path of its own: this path and its id.
        repeats: a record that is already stored may be sent again; the answer is then a 200.
        versioned: the route changes a record that has versions: `If-Match` may require one, and the
            answer has an ETag.
        resource: what a cached answer depends on, if no filter narrows it ("{name}" stands for a
            path variable, and "book={book};" is left out if the answer is not about one book);
            None: the answer is not cached.
        narrowed: whether a filter narrows what a cached answer depends on.
        every_book: a GET that names no book means every book that the caller has; otherwise it
            means the caller's home book. Other methods always mean every book.
        for_all_books: callers who are limited to books are refused.
        range_of_rows: the range of the query selects the rows; for agents it selects their signals.
        channel: the channel whose cursor goes with the answer.
        media_type: the media type of the answer, where it is not JSON.
        protocol: the protocol of another system, if the route serves one. The route then reads its
            query itself, accepts an API key in each way that such clients send one, and is not in
            OpenAPI.
        refusal: makes the answer to a request that failed, where that is not problem+json.
        webhook: another system posts its events to the route, which accepts an API key or a webhook
            token in each of those ways, or a token as the path's variable `token`.
        text_body: text may be sent in place of the JSON body.
        operation: its name in the OpenAPI document.
        failures: further statuses of failures, which only some routes have, such as 404.
    """

    method: str
    path: str
    permission: str
    handler: Handler | None = None
    raw: RawHandler | None = None
    query: type[Schema] = NoQuery
    body: type[Schema] | None = None
    body_may_be_array: bool = False
    body_is_array: bool = False
    body_in_lines: bool = False
    imports: Import | None = None
    body_exact: bool = True
    body_may_be_absent: bool = False
    form: type[Schema] | None = None
    answer: type[Schema] | None = None
    many: bool = False
    export: bool = False
    status: int = 200
    located: bool = False
    repeats: bool = False
    versioned: bool = False
    resource: str | None = None
    narrowed: bool = True
    every_book: bool = False
    for_all_books: bool = False
    range_of_rows: bool = True
    channel: str | None = None
    media_type: str = "application/json"
    tag: str = "service"
    protocol: str = ""
    refusal: Refusal | None = None
    webhook: bool = False
    text_body: bool = False
    operation: str = ""
    failures: tuple[int, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """The docstring of the handler."""
        return ((self.handler or self.raw or self.imports).__doc__ or "").strip()

    @cached_property
    def summary(self) -> str:
        """Its first line."""
        return self.described.partition("\n")[0]

    @cached_property
    def answer_fields(self) -> Mapping[str, Field[Any]]:
        """The fields of the answer, or of each of its rows."""
        return self.answer().fields if self.answer is not None else {}

    @cached_property
    def query_schema(self) -> Schema:
        """The schema of the query; made once, because marshmallow copies every field each time."""
        return self.query()

    @property
    def counted(self) -> bool:
        """Whether its requests count against the caller's quota."""
        return self.permission != PUBLIC

    @property
    def means_every_book(self) -> bool:
        """Whether a request that names no book means every book that the caller has."""
        return self.every_book or self.method != "GET"

    @property
    def by_token(self) -> bool:
        """Whether its path contains the credential."""
        return f"{{{TOKEN}}}" in self.path

    @property
    def conditional(self) -> bool:
        """Whether its answers have an ETag."""
        return self.method == "GET" and self.handler is not None and not self.export

    @cached_property
    def described_body(self) -> type[Schema] | None:
        """The schema of the body; None also if only an empty object can be sent."""
        return self.body if self.body is not None and self.body().fields else None

    @property
    def loads(self) -> Callable[[bytes], Any]:
        """The function that parses the JSON of a body."""
        return loads if self.body_exact else loads_floats

    @cached_property
    def pages(self) -> bool:
        """Whether the answer comes in pages."""
        return "cursor" in self.query_schema.fields


# Seconds until an answer changes although nothing is written.
CHANGES_IN: Final[web.RequestKey[float]] = web.RequestKey("changes_in", float)
# The version of the record that an answer shows.
VERSION: Final[web.RequestKey[str]] = web.RequestKey("version", str)
ROWS: Final[web.AppKey[dict[web.AbstractRoute, Row]]] = web.AppKey("rows", dict)
