"""Commands to agents as data: their levels, and the states that they pass through.

    pending -> delivered -> accepted -> done | failed | refused
    pending -> expired

A command is delivered at most once: whoever takes it moves it from pending in one statement. What
was delivered and never answered has failed, but the agent may have carried it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BASIC: Final = "basic"
FULL: Final = "full"
LEVELS: Final = (BASIC, FULL)

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
ACCEPTED: Final = "accepted"
DONE: Final = "done"
FAILED: Final = "failed"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"
STATES: Final = (PENDING, DELIVERED, ACCEPTED, DONE, FAILED, REFUSED, EXPIRED)
FINAL: Final = frozenset({DONE, FAILED, REFUSED, EXPIRED})

# What an agent may answer, and in which states of the command.
ANSWERS: Final[Mapping[str, frozenset[str]]] = {
    ACCEPTED: frozenset({DELIVERED}),
    DONE: frozenset({DELIVERED, ACCEPTED}),
    FAILED: frozenset({DELIVERED, ACCEPTED}),
    REFUSED: frozenset({DELIVERED}),
}
# What becomes of a command whose deadline has passed, and why.
OVERDUE: Final[Mapping[str, tuple[str, str]]] = {
    PENDING: (EXPIRED, "Nobody took it before its ttl was over."),
    DELIVERED: (FAILED, "no_answer: it was delivered and not answered; it may have run."),
    ACCEPTED: (FAILED, "no_answer: it was accepted and not ended; it may have run."),
}

HALT: Final = "halt"  # the command that stops an agent
HOST: Final = "host"  # the agent that stands for the trading process itself

MAX_DECLARED: Final = 64  # commands of one agent
DEFAULT_TTL: Final = 30  # seconds
MAX_TTL: Final = 86_400
DEFAULT_TIMEOUT: Final = 60  # seconds until an agent must have answered, and again until it ends
MAX_TIMEOUT: Final = 86_400
MAX_WAIT: Final = 60  # seconds that a request waits for a change
