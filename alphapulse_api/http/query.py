"""Reads a query string as a question: validated, converted, and in a normal form for the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aiohttp import hdrs, web

from alphapulse_api.backend import BACKEND
from alphapulse_api.domain.encoding import canonical
from alphapulse_api.domain.errors import NOT_ACCEPTABLE, Problem, ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.http.codecs import arrow
from alphapulse_api.http.codecs.formats import EXPORTED, FORMATS
from alphapulse_api.http.compression import PLAIN, Coding, coding_of
from alphapulse_api.http.negotiation import weights
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.loading import load_parameters
from alphapulse_api.schemas.paths import check_path
from alphapulse_api.schemas.queries import BookList, CommaList, CommaText, LabelPairs
from alphapulse_api.storage.query import check_range

# A range that ended this long ago counts as past: hardly anything is still written into it.
SETTLED_AFTER: Final = timedelta(minutes=5)
REMEMBERED: Final = 4096
EMPTY: Final = "An empty value. Leave the parameter out where nothing is asked of it."
LONGEST: Final = 2048  # characters of a question that is remembered


@dataclass(frozen=True, slots=True)
class Question:
    """What a GET asks.

    Attributes:
        values: the parameters that were given, converted; `format` is not among them, nor are the
            books of the question.
        format: the format of the answer, one of FORMATS.
        normal: equal for questions that get the same bytes in the same format.
        coding: the content coding of the answer.
        export: whether to stream everything that matches, instead of one page.
        spreadsheet: whether cells of the CSV must not be formulas.
        books: that it names; None if it names none.
    """

    values: dict[str, Any]
    format: str
    normal: str
    export: bool
    coding: Coding = PLAIN
    spreadsheet: bool = False
    books: tuple[str, ...] | None = None

    @property
    def settled(self) -> bool:
        """Whether it asks only about the past."""
        end = self.values.get("end_time")
        return end is not None and bool(end < now() - SETTLED_AFTER)


class Questions:
    """Reads query strings; the same string is read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[int, str, str | None, str | None], Question] = {}

    def ask(self, row: Row, request: web.Request) -> Question:
        """The question of a request.

        Raises:
            ValidationProblem: naming every parameter that is wrong, or every variable of the path.
            Problem: 406, if the client accepts no format or no coding that the server has.
        """
        if "{" in row.path:
            managed = request.app[BACKEND].views.managed(row.tag)
            check_path(request.match_info, of_host=not managed)
        accept = request.headers.get("Accept") if row.many else None
        coding = request.headers.get(hdrs.ACCEPT_ENCODING) if row.method == hdrs.METH_GET else None
        key = (id(row), request.rel_url.raw_query_string, accept, coding)
        question = self._read.get(key)
        if question is None:
            question = _read(row, request, accept, coding_of(coding))
            if len(key[1]) + len(accept or "") + len(coding or "") <= LONGEST:
                if len(self._read) >= REMEMBERED:
                    self._read.clear()
                self._read[key] = question
        return question


QUESTION: Final[web.RequestKey[Question]] = web.RequestKey("question", Question)
QUESTIONS: Final[web.AppKey[Questions]] = web.AppKey("questions", Questions)


def _read(row: Row, request: web.Request, accept: str | None, coding: Coding) -> Question:
    given: dict[str, Any] = {}
    empty: list[str] = []
    fields = row.query_schema.fields
    for name in request.query:
        values = request.query.getall(name)
        field = fields.get(name)
        if isinstance(field, LabelPairs):
            given[name] = values
        elif isinstance(field, CommaList | CommaText | BookList):
            given[name] = ",".join(values)
        elif len(values) > 1:
            raise ValidationProblem.parameter(name, "given more than once")
        elif name == "cursor" and row.pages and values == [""]:
            continue  # the first page: a loop over the pages can begin with it
        else:
            given[name] = values[0]
        if "" in values and name in row.query_schema.fields:
            empty.append(name)
    if empty:
        raise ValidationProblem([{"parameter": name, "detail": EMPTY} for name in empty])
    forms = EXPORTED if row.export else FORMATS
    named = given.get("format")
    if named is not None and named.lower() not in forms and row.many:
        here = "a format of an export" if row.export else "a format"
        raise Problem(NOT_ACCEPTABLE, f"{named!r} is not {here}: ask for {', '.join(forms)}.")
    asked = load_parameters(row.query_schema, given)
    check_range(asked.get("start_time"), asked.get("end_time"))
    form = asked.pop("format", None)
    if form is None:
        form = _negotiated(accept or "", forms)
    elif form == "arrow" and not arrow.installed():
        raise Problem(NOT_ACCEPTABLE, arrow.MISSING)
    export = row.export or (
        row.pages and form != "json" and "limit" not in asked and "cursor" not in asked
    )
    spreadsheet = asked.pop("spreadsheet", False)
    if spreadsheet and form != "csv":
        raise ValidationProblem.parameter("spreadsheet", "only CSV has formulas: add format=csv")
    books = asked.pop("book", None) if isinstance(fields.get("book"), BookList) else None
    normal = canonical([asked, spreadsheet, *coding])
    return Question(asked, form, normal, export, coding, spreadsheet, books)


def _negotiated(accept: str, forms: Mapping[str, str]) -> str:
    """The format that the Accept header prefers: one it names, else one a wildcard covers.

    Args:
        accept: the header.
        forms: the media types of the available formats, the default first.

    Raises:
        Problem: 406, if it accepts none of them.
    """
    named = weights(accept)
    if not named:
        return next(iter(forms))
    liked = _liked(named, forms)
    for form in (*liked, *_covered(named, forms)):
        if form != "arrow" or arrow.installed():
            return form
    raise Problem(
        NOT_ACCEPTABLE, arrow.MISSING if liked else f"Accept one of {', '.join(forms.values())}."
    )


def _covered(named: Mapping[str, float], forms: Mapping[str, str]) -> list[str]:
    """The formats that the header does not name, but that one of its wildcards covers."""
    wild = {name for name, weight in named.items() if weight > 0}
    return [
        form
        for form, media_type in forms.items()
        if media_type not in named and not wild.isdisjoint(("*/*", f"{media_type.split('/')[0]}/*"))
    ]


def _liked(named: Mapping[str, float], forms: Mapping[str, str]) -> list[str]:
    """The formats that an Accept header names, the most preferred first."""
    by_type = {media_type: form for form, media_type in forms.items()}
    liked = [name for name, weight in named.items() if weight > 0 and name in by_type]
    return [by_type[name] for name in sorted(liked, key=lambda name: -named[name])]
