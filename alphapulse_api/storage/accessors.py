"""The six accessors together, any of which a host may replace by its own object."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from alphapulse_api.domain.errors import NOT_IMPLEMENTED, Problem, ValidationProblem
from alphapulse_api.domain.times import CLOCK_AHEAD
from alphapulse_api.storage.engine import Engine
from alphapulse_api.storage.metrics.accessor import MetricsDataAccessor
from alphapulse_api.storage.tables.agents import AgentDataAccessor
from alphapulse_api.storage.tables.alerts import AlertDataAccessor
from alphapulse_api.storage.tables.portfolio import PortfolioDataAccessor
from alphapulse_api.storage.tables.system import SystemDataAccessor
from alphapulse_api.storage.tables.trades import TradeDataAccessor

RESOURCES = ("metrics", "alerts", "portfolio", "trades", "agents", "system")


class Accessors:
    """Who answers for each resource.

    Args:
        engine: where our own accessors keep their rows.
        stale_after: seconds after which a portfolio is stale.
        ahead: seconds by which a sender's clock may be ahead of this one.
        replaced: the host's own objects by resource; each needs the methods that are used of it,
            with the names and signatures of ours.

    Raises:
        TypeError: for a resource that there is not.
    """

    def __init__(
        self,
        engine: Engine,
        stale_after: float,
        replaced: Mapping[str, Any],
        *,
        ahead: float = CLOCK_AHEAD,
    ) -> None:
        if strangers := set(replaced) - set(RESOURCES):
            raise TypeError(f"there is no accessor {', '.join(sorted(strangers))}")
        self.engine = engine
        self.replaced = frozenset(name for name, value in replaced.items() if value is not None)
        # Any: a host's object needs only the methods it serves.
        self.metrics: Any = replaced.get("metrics") or MetricsDataAccessor(engine, ahead)
        self.alerts: Any = replaced.get("alerts") or AlertDataAccessor(engine)
        self.portfolio: Any = replaced.get("portfolio") or PortfolioDataAccessor(
            engine, stale_after, ahead
        )
        self.trades: Any = replaced.get("trades") or TradeDataAccessor(engine)
        self.agents: Any = replaced.get("agents") or AgentDataAccessor(engine, ahead)
        self.system: Any = replaced.get("system") or SystemDataAccessor(engine, ahead)

    def method(self, resource: str, name: str) -> Any:
        """A method of the resource's accessor.

        Raises:
            Problem: 501, if the host's own accessor does not have it.
        """
        found = getattr(getattr(self, resource), name, None)
        if found is None:
            raise Problem(
                NOT_IMPLEMENTED,
                f"The host's own {resource} accessor has no method {name}; it can be added there.",
            )
        return _checked(found) if resource in self.replaced else found

    def offers(self, resource: str, name: str) -> bool:
        """Whether the resource's accessor has a method; ours have all."""
        return hasattr(getattr(self, resource), name)


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    """A host's method, called only with what its signature takes."""
    signature = inspect.signature(method)

    def call(*args: Any, **kwargs: Any) -> Any:
        taken = signature.parameters
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values()):
            strangers = sorted(kwargs.keys() - taken.keys())
            if strangers:
                detail = "The host's own accessor does not know this parameter."
                raise ValidationProblem([{"parameter": n, "detail": detail} for n in strangers])
        return method(*args, **kwargs)

    return call
