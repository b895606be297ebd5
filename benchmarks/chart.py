"""docs/fanout.svg, drawn by hand from the figures of `fanout`."""

from __future__ import annotations

from html import escape

Rates = dict[int, dict[str, float]]
NAMES = {
    "ws_fastapi": "FastAPI, send_json per client",
    "ws_websockets": "websockets, broadcast()",
    "ws_alphapulse": "alphapulse_api",
    "ws_picows": "picows (Cython)",
    "ws_limit": "the limit: raw send()",
}
WIDTH, LEFT, RIGHT = 860, 215, 95
BAR, GAP, TITLE = 18, 6, 34
OURS, OTHER = "#1565c0", "#9aa5b1"


def draw(rates: Rates, clients: int) -> str:
    """One group of bars for each burst; each has its own scale, because ratios matter."""
    parts: list[str] = []
    y = 44
    for burst, servers in rates.items():
        title = "one event at a time" if burst == 1 else f"bursts of {burst} events"
        parts.append(f'<text x="12" y="{y + 16}" class="title">{title}</text>')
        y += TITLE - GAP
        longest = max(servers.values())
        for name, rate in servers.items():
            parts.append(_bar(y, name, rate, rate / longest))
            y += BAR + GAP
        y += GAP
    heading = f"Deliveries a second to {clients:,} sockets, one pinned core (more is better)"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 6}" role="img">',
            f"<title>{escape(heading)}</title>",
            "<style>text{font:13px system-ui,sans-serif;fill:#24292f}"
            ".title{font-weight:600}.head{font-size:16px;font-weight:600}</style>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text x="12" y="28" class="head">{escape(heading)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _bar(y: int, name: str, rate: float, share: float) -> str:
    width = max(1.0, share * (WIDTH - LEFT - RIGHT))
    colour = OURS if name == "ws_alphapulse" else OTHER
    middle = y + BAR - 5
    return (
        f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(NAMES[name])}</text>'
        f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        f'<text x="{LEFT + width + 6:.1f}" y="{middle}">{rate:,.0f}</text>'
    )
