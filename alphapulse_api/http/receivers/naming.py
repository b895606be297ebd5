"""Names the series of other systems, by one rule for all protocols.

The label `metric_type` becomes the type; without it, the type is the name of the protocol. Labels
with empty text are left out, as in Prometheus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alphapulse_api.domain.points import SeriesName
from alphapulse_api.schemas.fast_points import series_of

TYPE_LABEL: Final = "metric_type"
SERIES_REMEMBERED: Final = 10_000
# Longer keys are not remembered: they may contain much that is not part of the series, and would
# fill the memory.
REMEMBERED_BYTES: Final = 4096


def series_named(protocol: str, name: str, labels: Mapping[str, str]) -> SeriesName:
    """The series of a name and labels.

    Raises:
        ValidationProblem: if they are not valid: a name over 128 characters, over 16 labels.
    """
    kept = {key: text for key, text in labels.items() if text}
    metric_type = kept.pop(TYPE_LABEL, protocol)
    return series_of(metric_type, name, kept)
