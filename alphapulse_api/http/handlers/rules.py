"""Rules: listed, made, changed, deleted, and tested on the past."""

from __future__ import annotations

from typing import Any, Final

import uuid_utils

from alphapulse_api.domain.errors import ValidationProblem
from alphapulse_api.domain.times import now
from alphapulse_api.http.route import Call
from alphapulse_api.record.completion import Stored
from alphapulse_api.record.inputs import checked_rule_id
from alphapulse_api.rules.trial import try_rule
from alphapulse_api.schemas.loading import load
from alphapulse_api.schemas.rules import RuleRequest, RuleTest

_RULE: Final = RuleRequest()
_TEST: Final = RuleTest()


async def list_rules(call: Call) -> Any:
    """Rules, by id."""
    return await call.view.rules.get_rules(**call.query)


async def get_rule(call: Call) -> Any:
    """One rule, with its groups that are pending or firing."""
    return await call.view.rules.get_rule(call.path["id"])


async def create_rule(call: Call) -> Any:
    """Make a rule; the same again changes nothing."""
    rule = load(_RULE, call.body)
    rule.setdefault("id", str(uuid_utils.uuid7()))
    return Stored(*await call.view.rules.add_rule(rule, actor=call.actor))


async def put_rule(call: Call) -> Any:
    """Make a rule, or put another in its place: fields that are left out have their defaults.

    If something changes that is evaluated, its alerts are resolved and it begins anew.
    """
    rule_id = checked_rule_id(call.path["id"])
    rule = load(_RULE, call.body)
    if rule.setdefault("id", rule_id) != rule_id:
        raise ValidationProblem([{"pointer": "/id", "detail": f"The path says {rule_id!r}."}])
    return await call.view.rules.set_rule(rule, actor=call.actor)


async def delete_rule(call: Call) -> Any:
    """Delete a rule and return it; its alerts are resolved."""
    return await call.view.rules.delete_rule(call.path["id"], actor=call.actor)


async def test_rule(call: Call) -> Any:
    """What a rule would have done in a range of the past; nothing is stored."""
    asked = load(_TEST, call.body)
    end = asked.get("end_time") or now()
    return await try_rule(call.view, call.slices, asked["rule"], asked["start_time"], end)
