"""Fixtures that several files of this folder use."""

from __future__ import annotations

import pytest

from alphapulse_api.auth.caller import Caller
from alphapulse_api.auth.permissions import VIEWS
from alphapulse_api.sockets.protocol import Protocol


def a_caller(permissions: frozenset[str] = VIEWS) -> Caller:
    return Caller("ann", "viewer", permissions, "jwt", "user:ann", None, "j1", 1)


@pytest.fixture
def known() -> Protocol:
    return Protocol(a_caller())
