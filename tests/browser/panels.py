"""What each panel of the console has once it is filled, as CSS selectors."""

from typing import Final

PANELS: Final = {
    "portfolio": "#positions tbody tr[data-id]",
    "metrics": "#metrics-chart .scatterlayer .trace",
    "trades": "#trades tbody tr[data-id]",
    "alerts": "#alerts li[data-id]",
    "agents": "#agents tbody tr[data-id]",
    "system": "#components tbody tr[data-id]",
}
