"""Rules."""

from __future__ import annotations

from typing import Final

from alphapulse_api.auth.permissions import MANAGE_RULES
from alphapulse_api.http.handlers import rules
from alphapulse_api.http.route import Row
from alphapulse_api.schemas.rules import (
    Rule,
    RuleRequest,
    RulesQuery,
    RuleTest,
    RuleTestAnswer,
    RuleWithGroups,
)

# fmt: off
ROWS: Final = (
    Row("GET", "/api/rules", "view_alerts", rules.list_rules, query=RulesQuery, answer=Rule,
        many=True, for_all_books=True, resource="rules", tag="rules", operation="listRules"),
    Row("POST", "/api/rules", MANAGE_RULES, rules.create_rule, body=RuleRequest, answer=Rule,
        status=201, located=True, repeats=True, for_all_books=True, tag="rules",
        operation="createRule", failures=(409,)),
    Row("POST", "/api/rules/test", MANAGE_RULES, rules.test_rule, body=RuleTest,
        answer=RuleTestAnswer, for_all_books=True, tag="rules", operation="testRule"),
    Row("GET", "/api/rules/{id}", "view_alerts", rules.get_rule, answer=RuleWithGroups,
        for_all_books=True, resource="rules", tag="rules", operation="getRule", failures=(404,)),
    Row("PUT", "/api/rules/{id}", MANAGE_RULES, rules.put_rule, body=RuleRequest, answer=Rule,
        for_all_books=True, tag="rules", operation="updateRule", failures=(409,)),
    Row("DELETE", "/api/rules/{id}", MANAGE_RULES, rules.delete_rule, answer=Rule,
        for_all_books=True, tag="rules", operation="deleteRule", failures=(404, 409)),
)
# fmt: on
