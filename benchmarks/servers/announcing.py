"""Announces our own servers, with the token of a user who has logged in."""

from __future__ import annotations

import secrets

from aiohttp import ClientSession

from alphapulse_api import Dashboard

from ..harness import announce

USER = "bench"


async def announce_dashboard(dashboard: Dashboard, role: str = "viewer") -> None:
    """Make a user with the role, log in as that user, and report to the benchmark."""
    password = secrets.token_urlsafe(24)
    await dashboard.accounts.set_user(USER, role, password)
    form = {"grant_type": "password", "username": USER, "password": password}
    url = dashboard.url
    async with ClientSession() as client, client.post(f"{url}/token", data=form) as answer:
        answer.raise_for_status()
        token = (await answer.json())["access_token"]
    announce(int(url.rsplit(":", 1)[1]), token)
