"""Fields of time: any instant, and the instant of something that happened."""

from __future__ import annotations

import re
from datetime import date, datetime, tzinfo
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields

from alphapulse_api.domain import times
from alphapulse_api.schemas.fields.base import BaseField, kind_of
from alphapulse_api.schemas.fields.numbers import is_number
from alphapulse_api.schemas.fields.objects import Metadata

# Narrower than RFC 3339: what most clients write. The rest is for `times.parse`.
UTC_TEXT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,18})?Z", re.ASCII)


class Timestamp(BaseField):
    """An instant: RFC 3339 or the Unix epoch in; an aware UTC datetime inside.

    Attributes:
        zone: the time zone of a host's datetimes that have none; None refuses them. See
            `set_clock`.
    """

    zone: tzinfo | None = None

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            if isinstance(value, date):
                return times.localised(value, self.zone)
            if not isinstance(value, str) and not is_number(value):
                raise ValidationError(
                    f"Not a time but {kind_of(value)}: give a datetime with a time zone, "
                    "RFC 3339 text, or a number of seconds since 1970."
                )
            return times.parse(value)
        except ValueError as error:
            if isinstance(error, ValidationError):
                raise
            text = str(error)
            raise ValidationError(f"{text[:1].upper()}{text[1:]}.") from None


class EventTime(Timestamp):
    """The instant of something that happened, which may be only a little ahead of our clock.

    Attributes:
        ahead: the maximum number of seconds ahead; see `set_clock`.
    """

    ahead: float = times.CLOCK_AHEAD

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        instant = super()._deserialize(value, attr, data, **kwargs)
        now = times.now()
        if (instant - now).total_seconds() > self.ahead:
            raise ValidationError(
                f"{times.rfc3339(instant)} is in the future: at most {self.ahead:g} s ahead of "
                f"the server's clock ({times.rfc3339(now.replace(microsecond=0))}) are allowed. "
                "Check the sender's clock and the unit."
            )
        return instant


def set_clock(schema: Schema, ahead: float, zone: tzinfo | None = None) -> None:
    """Set how the times of a schema are read.

    Args:
        schema: the schema; those nested in it too.
        ahead: seconds by which an event may be ahead of this server's clock.
        zone: the time zone of datetimes that have none; None refuses them.
    """
    for field in schema.fields.values():
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, Timestamp | Metadata):
            inner.zone = zone
        if isinstance(inner, EventTime):
            inner.ahead = ahead
        elif isinstance(inner, fields.Nested):
            set_clock(inner.schema, ahead, zone)
