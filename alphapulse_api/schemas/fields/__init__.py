"""The contract's value types as marshmallow fields: exact decimals, instants, clean text."""

from alphapulse_api.schemas.fields.base import Items
from alphapulse_api.schemas.fields.counts import Count, Flag
from alphapulse_api.schemas.fields.instants import UTC_TEXT, EventTime, Timestamp, set_clock
from alphapulse_api.schemas.fields.long_text import Duration, Link, LongText
from alphapulse_api.schemas.fields.numbers import Figure, Figures, Money, is_number, to_float
from alphapulse_api.schemas.fields.objects import MAX_LABELS, Labels, Metadata
from alphapulse_api.schemas.fields.text import (
    DEFAULT_BOOK,
    IDENTIFIER,
    METRIC_TYPE,
    PORTABLE_IDENTIFIER,
    RESERVED_IDS,
    WORD,
    BookId,
    Choice,
    Identifier,
    MetricType,
    Text,
    Word,
    clean,
)

__all__ = [
    "DEFAULT_BOOK",
    "IDENTIFIER",
    "MAX_LABELS",
    "METRIC_TYPE",
    "PORTABLE_IDENTIFIER",
    "RESERVED_IDS",
    "UTC_TEXT",
    "WORD",
    "BookId",
    "Choice",
    "Count",
    "Duration",
    "EventTime",
    "Figure",
    "Figures",
    "Flag",
    "Identifier",
    "Items",
    "Labels",
    "Link",
    "LongText",
    "Metadata",
    "MetricType",
    "Money",
    "Text",
    "Timestamp",
    "Word",
    "clean",
    "is_number",
    "set_clock",
    "to_float",
]
