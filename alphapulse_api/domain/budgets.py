"""Budgets: what an agent may spend on models in a day."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NamedTuple

EVERY_AGENT: Final = "*"
PERCENTS: Final = (80, 100)  # at which an alert is raised
_BUDGET: Final = re.compile(
    r"\s*(?P<agent>[^\s=]{1,128})\s*=\s*(?P<amount>[0-9]{1,12}(\.[0-9]{1,12})?)\s+"
    r"(?P<currency>[A-Z0-9]{1,16})\s*"
)


class Budget(NamedTuple):
    """What an agent may spend in a day.

    Attributes:
        agent_id: of the agent; "*": of each agent that has no budget of its own.
        amount: in the currency.
    """

    agent_id: str
    amount: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget in a text such as `analyst=5.00 USD`.

        Raises:
            ValueError: if it is not one.
        """
        match = _BUDGET.fullmatch(text)
        if match is None or not Decimal(match["amount"]):
            raise ValueError(f"must be like analyst=5.00 USD, with * for every agent, not {text!r}")
        return cls(match["agent"], Decimal(match["amount"]), match["currency"])
