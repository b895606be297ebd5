"""What the calls of a model cost: as stated, else from a table of prices, else unknown.

The table is that of the package genai-prices, by Pydantic (the extra `prices`). A model that it
does not know has no price: unknown is not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple

CURRENCY: Final = "USD"  # of the table
# By OpenTelemetry's `gen_ai.provider.name`: the provider's id in the table, where it differs.
_PROVIDERS: Final = {
    "aws.bedrock": "aws", "azure.ai.inference": "azure", "azure.ai.openai": "azure",
    "gcp.gemini": "google", "gcp.gen_ai": "google", "gcp.vertex_ai": "google",
    "google_genai": "google", "google_vertexai": "google", "mistral_ai": "mistral",
    "mistralai": "mistral", "moonshot_ai": "moonshotai", "x_ai": "x-ai", "xai": "x-ai",
}  # fmt: skip


class Cost(NamedTuple):
    """An amount of money."""

    amount: Decimal
    currency: str


def cost_of_entry(entry: Mapping[str, Any], at: datetime) -> Cost | None:
    """What an entry of `usage` cost; None if nobody knows.

    Args:
        entry: its fields.
        at: when the calls were made: prices change.
    """
    if entry.get("cost") is not None:
        return Cost(entry["cost"], entry["currency"])
    tokens = entry.get("input_tokens"), entry.get("output_tokens")
    if entry.get("model") is None or tokens == (None, None):
        return None
    price = _table()
    return None if price is None else price(entry, at)


@cache
def _table() -> Callable[[Mapping[str, Any], datetime], Cost | None] | None:
    """The function that looks into the table; None without it."""
    try:
        from genai_prices import Usage, calc_price
    except ModuleNotFoundError:
        return None

    def price(entry: Mapping[str, Any], at: datetime) -> Cost | None:
        provider = entry.get("provider")
        if provider is not None:
            provider = _PROVIDERS.get(provider.lower(), provider.lower())
        usage = Usage(
            input_tokens=entry.get("input_tokens") or 0,
            output_tokens=entry.get("output_tokens") or 0,
            cache_read_tokens=entry.get("cached_tokens") or 0,
        )
        try:
            found = calc_price(
                usage, entry["model"], provider_id=provider, genai_request_timestamp=at
            )
        except (LookupError, ValueError):  # a model that is unknown, tokens that it cannot have
            return None
        return Cost(found.total_price, CURRENCY)

    return price
