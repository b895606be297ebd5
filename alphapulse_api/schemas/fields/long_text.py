"""Fields of text in special forms: long texts, durations, links."""

from __future__ import annotations

import re
from typing import Any, Final

from marshmallow import ValidationError

from alphapulse_api.domain.durations import parse_duration
from alphapulse_api.schemas.fields.text import Text

MAX_TEXT_BYTES: Final = 65_536
MAX_URL: Final = 2048
_URL: Final = re.compile(r"https?://[^\s\x00-\x20\x7f<>\"\\^`{|}]+", re.IGNORECASE)


class LongText(Text):
    """Text of up to 64 KiB in UTF-8, kept as it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MAX_TEXT_BYTES, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) * 4 > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
            raise ValidationError(f"At most {MAX_TEXT_BYTES} bytes of UTF-8.")
        return text


class Duration(Text):
    """A duration of ISO 8601 in weeks, days and less, such as P5D; kept as it is."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(64, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            parse_duration(text)
        except ValueError as error:
            fault = str(error)
            raise ValidationError(f"{fault[:1].upper()}{fault[1:]}.") from None
        return text


class Link(Text):
    """An absolute link of http or https."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(MAX_URL, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not _URL.fullmatch(text):
            raise ValidationError("Not a link such as https://example.com/report.")
        return text
