"""Marshmallow's error trees as the contract's flat list of pointers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from alphapulse_api.errors import ValidationProblem


def load(schema: Schema, data: Any) -> Any:
    """What `data` says, validated and converted.

    Raises:
        ValidationProblem: naming every field that is wrong, by JSON pointer.
    """
    try:
        return schema.load(data)
    except ValidationError as error:
        raise ValidationProblem(list(flat("", error.messages))) from None


def load_parameters(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a query string: errors name parameters.

    Raises:
        ValidationProblem: naming every parameter that is wrong.
    """
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        raise ValidationProblem(
            [
                {
                    "parameter": e["pointer"].split("/")[1],
                    "detail": e["detail"].replace("Unknown field.", "Unknown parameter."),
                }
                for e in flat("", error.messages)
            ]
        ) from None
    return loaded


def flat(pointer: str, messages: Any) -> Iterator[dict[str, str]]:
    if isinstance(messages, Mapping):
        for key, below in messages.items():
            # "_schema" is marshmallow's name for the whole object.
            step = "" if key == "_schema" else "/" + str(key).replace("~", "~0").replace("/", "~1")
            yield from flat(pointer + step, below)
    elif isinstance(messages, str):
        yield {"pointer": pointer, "detail": messages}
    else:
        for message in messages:
            yield from flat(pointer, message)
