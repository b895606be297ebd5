"""A query string as a question: validated, converted, and in one normal form to cache by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from alphapulse_api.data.query import check_range
from alphapulse_api.encoding import canonical
from alphapulse_api.errors import ValidationProblem
from alphapulse_api.routes.row import Row
from alphapulse_api.schemas.errors import load_parameters
from alphapulse_api.schemas.queries import LabelPairs
from alphapulse_api.times import now

FORMATS: Final = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}
# A range that ended this long ago is the past: hardly anything is written into it any more.
SETTLED_AFTER: Final = timedelta(minutes=5)
REMEMBERED: Final = 4096
_QUALITY: Final = re.compile(r"\bq\s*=\s*([01](?:\.\d{0,3})?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Question:
    """What a GET asks.

    Attributes:
        values: the parameters given, converted; `format` is not among them.
        format: of the answer: json, csv or ndjson.
        normal: equal for questions that ask the same.
        export: everything that matches is wanted, streamed, not one page of it.
    """

    values: dict[str, Any]
    format: str
    normal: str
    export: bool

    @property
    def settled(self) -> bool:
        """Whether it asks only about the past."""
        end = self.values.get("end_time")
        return end is not None and bool(end < now() - SETTLED_AFTER)


class Questions:
    """Reads query strings; the same string is read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[int, str, str | None], Question] = {}

    def ask(self, row: Row, request: web.Request) -> Question:
        """The question of a request.

        Raises:
            ValidationProblem: naming every parameter that is wrong.
        """
        accept = request.headers.get("Accept") if row.many else None
        key = (id(row), request.rel_url.raw_query_string, accept)
        question = self._read.get(key)
        if question is None:
            if len(self._read) >= REMEMBERED:
                self._read.clear()
            question = self._read[key] = _read(row, request, accept)
        return question


def _read(row: Row, request: web.Request, accept: str | None) -> Question:
    given: dict[str, Any] = {}
    repeated = {n for n, f in row.query_schema.fields.items() if isinstance(f, LabelPairs)}
    for name in request.query:
        values = request.query.getall(name)
        if name not in repeated and len(values) > 1:
            raise ValidationProblem.parameter(name, "given more than once")
        given[name] = values if name in repeated else values[0]
    asked = load_parameters(row.query_schema, given)
    check_range(asked.get("start_time"), asked.get("end_time"))
    form = asked.pop("format", None) or _accepted(accept)
    export = row.pages and form != "json" and "limit" not in asked and "cursor" not in asked
    return Question(asked, form, canonical(asked), export)


def _accepted(accept: str | None) -> str:
    """The format that the Accept header likes best; JSON where it names none of ours."""
    named = {media_type: form for form, media_type in FORMATS.items()}
    best, liked = "json", 0.0
    for part in (accept or "").lower().split(","):
        media_type, _, parameters = part.partition(";")
        form = named.get(media_type.strip())
        quality = _QUALITY.search(parameters)
        weight = float(quality[1]) if quality else 1.0
        if form is not None and weight > liked:
            best, liked = form, weight
    return best
