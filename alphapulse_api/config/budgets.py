"""The section of the budgets."""

from dataclasses import dataclass, field
from typing import ClassVar

from alphapulse_api.config import checks
from alphapulse_api.config.options import Section, option


@dataclass(frozen=True, slots=True)
class BudgetsConfig(Section):
    """What agents may spend on models. An alert is raised at 80 and at 100 %."""

    path: ClassVar[str] = "budgets"

    per_day: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "Budgets of a day, such as `analyst=5.00 USD`, or `*=20 USD` for each other agent.",
            checks.budget,
        ),
    )
    timezone: str = field(
        default="",
        metadata=option("IANA time zone in which these days begin. Empty: UTC.", checks.time_zone),
    )
