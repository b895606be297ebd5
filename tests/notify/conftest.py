"""Servers that receive messages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.notify.sinks import HttpSink, SmtpSink, http_sink, smtp_sink


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """An HTTP server that takes everything."""
    async with http_sink() as sink:
        yield sink


@pytest.fixture
async def other() -> AsyncIterator[HttpSink]:
    """Another one."""
    async with http_sink() as sink:
        yield sink


@pytest.fixture
async def mail() -> AsyncIterator[SmtpSink]:
    """An SMTP server that takes everything."""
    async with smtp_sink() as sink:
        yield sink
