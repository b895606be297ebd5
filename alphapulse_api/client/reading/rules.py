"""Rules."""

from __future__ import annotations

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.pages import Rows
from alphapulse_api.client.reading.requests import Requests
from alphapulse_api.client.rows import Rule


class RuleReading(Requests):
    """Every GET about rules as a method."""

    def rules(self, *, limit: int | None = None) -> Rows[Rule]:
        """Return the rules, by id."""
        return self._pages("/api/rules", values.RULE, {}, limit)

    async def rule(self, rule_id: str) -> Rule:
        """Return one rule, with `groups`: those that are pending or firing."""
        rule: Rule = await self._get(f"/api/rules/{segment(rule_id)}", values.RULE)
        return rule
