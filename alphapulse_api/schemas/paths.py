"""Checks the variables of paths, in the same way for every route that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.schemas.fields import RESERVED_IDS, Identifier
from alphapulse_api.schemas.metrics import MetricPointRequest

PATH_FIELDS: Final[Mapping[str, fields.Field[Any]]] = {
    "metric_type": MetricPointRequest().fields["metric_type"],
    "id": Identifier(),
    "signal_id": Identifier(),
}


def check_path(variables: Mapping[str, str], *, of_host: bool = False) -> None:
    """Refuse a value that cannot name anything: an empty answer would hide a typing error.

    Args:
        variables: the values by name.
        of_host: whether they name objects of a host, whose ids may be any text but the names of
            our paths.

    Raises:
        ValidationProblem: naming the variables that are wrong.
    """
    errors = []
    for name, value in variables.items():
        if of_host and not (name == "id" and value in RESERVED_IDS):
            continue
        try:
            PATH_FIELDS[name].deserialize(value)
        except ValidationError as error:
            errors += [{"parameter": name, "detail": detail} for detail in error.messages]
    if errors:
        raise ValidationProblem(errors)
