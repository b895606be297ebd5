"""The examples in both documents, one file a resource; a test sends each of them to a server.

Requests and answers show the same few records, so that the example of an answer is the answer to
the example of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema

from alphapulse_api.http.spec.examples import (
    agents,
    alerts,
    audit,
    auth,
    books,
    commands,
    decisions,
    metrics,
    notifications,
    pnl,
    portfolio,
    rules,
    signals,
    system,
    trades,
    usage,
    webhooks,
    writes,
)

__all__ = ["ANSWERS", "REQUESTS", "MissingExample", "answer_example", "request_example"]

# By the name of the schema.
REQUESTS: Final[Mapping[str, Any]] = {
    **agents.REQUESTS,
    **alerts.REQUESTS,
    **auth.REQUESTS,
    **books.REQUESTS,
    **commands.REQUESTS,
    **decisions.REQUESTS,
    **metrics.REQUESTS,
    **notifications.REQUESTS,
    **portfolio.REQUESTS,
    **rules.REQUESTS,
    **signals.REQUESTS,
    **system.REQUESTS,
    **trades.REQUESTS,
    **usage.REQUESTS,
    **webhooks.REQUESTS,
}
ANSWERS: Final[Mapping[str, Any]] = {
    **agents.ANSWERS,
    **alerts.ANSWERS,
    **audit.ANSWERS,
    **auth.ANSWERS,
    **books.ANSWERS,
    **commands.ANSWERS,
    **decisions.ANSWERS,
    **metrics.ANSWERS,
    **notifications.ANSWERS,
    **pnl.ANSWERS,
    **portfolio.ANSWERS,
    **rules.ANSWERS,
    **signals.ANSWERS,
    **system.ANSWERS,
    **trades.ANSWERS,
    **usage.ANSWERS,
    **writes.ANSWERS,
}


class MissingExample(Exception):
    """A schema has no example."""


def request_example(schema: type[Schema]) -> Any:
    """The example of a request."""
    return _example(REQUESTS, "REQUESTS", schema)


def answer_example(schema: type[Schema]) -> Any:
    """The example of an answer."""
    return _example(ANSWERS, "ANSWERS", schema)


def _example(examples: Mapping[str, Any], table: str, schema: type[Schema]) -> Any:
    if schema.__name__ not in examples:
        raise MissingExample(
            f"{schema.__name__} has no example: add one to {table} in http/spec/examples."
        )
    return examples[schema.__name__]
