"""The calls that make, change, delete and test rules."""

from __future__ import annotations

from datetime import datetime

from alphapulse_api.client import values
from alphapulse_api.client.http import segment
from alphapulse_api.client.prepared import Record
from alphapulse_api.client.rows import Rule, RuleTest
from alphapulse_api.client.writing import Writing


class RuleWriting(Writing):
    """Every POST, PUT and DELETE of rules as a method."""

    async def create_rule(self, rule: Record) -> Rule:
        """Make a rule; return it. With an `id`, the same again changes nothing."""
        body = self._named(rule, "refuse", Rule)
        made: Rule = await self._send("POST", "/api/rules", body, values.RULE)
        return made

    async def put_rule(self, rule_id: str, rule: Record) -> Rule:
        """Make a rule, or put another in its place; return it."""
        path = f"/api/rules/{segment(rule_id)}"
        stored: Rule = await self._send("PUT", path, self._given(rule), values.RULE)
        return stored

    async def delete_rule(self, rule_id: str) -> Rule:
        """Delete a rule and return it; its alerts are resolved."""
        path = f"/api/rules/{segment(rule_id)}"
        deleted: Rule = await self._send("DELETE", path, None, values.RULE)
        return deleted

    async def test_rule(
        self, rule: Record, start_time: datetime, end_time: datetime | None = None
    ) -> RuleTest:
        """Return what a rule would have done in a range of the past; nothing is stored."""
        body = {
            "rule": self._given(rule),
            "start_time": start_time,
            **({} if end_time is None else {"end_time": end_time}),
        }
        answer: RuleTest = await self._send("POST", "/api/rules/test", body, values.RULE_TEST)
        return answer
