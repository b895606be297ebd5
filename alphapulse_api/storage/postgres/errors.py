"""Errors of PostgreSQL and of the connection that mean that the database is unavailable."""

from __future__ import annotations

from typing import Final

import asyncpg

from alphapulse_api.domain.errors import Unavailable, ValidationProblem

# Reasons by SQLSTATE or by its class, the first two characters. The full code has precedence.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNAVAILABLE: Final = {
    "08": "the connection was lost",
    "0A000": "the server is a standby",  # the answer to BEGIN … READ WRITE
    "25006": "the database is read-only",
    "28": "the login was refused",
    "28P01": "the password was refused",
    "3D000": "there is no such database",
    "40001": "other writers kept coming in between",
    "40P01": "other writers kept coming in between",
    "53": "the server is out of resources",
    "53100": "the server's disk is full",
    "53300": "the server takes no more connections",
    "55P03": "a lock is held by another program",
    "57014": "a statement took longer than database.statement_timeout",
    "57P01": "the server is shutting down",
    "57P02": "the server is restarting after a crash",
    "57P03": "the server is starting up or shutting down",
    "57P05": "the connection was idle for too long",
    "58": "the server has an input/output error",
    "XX001": "the database is damaged",
    "XX002": "the database is damaged",
}
# Errors that a transaction without writes does not meet.
_ONLY_WRITES: Final = ("53", "58", "XX")
# Serialization failure and deadlock: the transaction may succeed in a second run.
_AGAIN: Final = ("40001", "40P01")
# The server is a standby. Another host may be the primary.
_NOT_PRIMARY: Final = ("0A000", "25006")
_NOT_TEXT: Final = ("22021", "22P05")  # a NUL character in text or JSON


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE of an error; "" if the error is not from the server."""
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else ""


def may_run_again(error: BaseException) -> bool:
    """Whether the transaction failed only because of concurrent transactions."""
    return sqlstate(error) in _AGAIN


def ends_connection(error: BaseException) -> bool:
    """Whether the connection is unusable after the error."""
    code = sqlstate(error)
    if code:
        return code.startswith(("08", "57P", "XX")) or code in _NOT_PRIMARY
    return reason(error) is not None


def only_writes_find(error: BaseException) -> bool:
    """Whether an empty transaction would still have been committed."""
    return sqlstate(error).startswith(_ONLY_WRITES)


def reason(error: BaseException) -> str | None:
    """The reason why the database is unavailable; None if our own statement is at fault."""
    code = sqlstate(error)
    if code:
        return _UNAVAILABLE.get(code) or _UNAVAILABLE.get(code[:2])
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, OSError):
        return "the server cannot be reached"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "none of the hosts is the primary"
    # The driver's own, of a connection that ended between two statements or a pool that closes; it
    # has no other name for these than for a wrong argument.
    if isinstance(error, asyncpg.InterfaceError) and "clos" in str(error):
        return "the connection was lost"
    return None


def translated(error: Exception) -> Exception:
    """The error that callers of an engine get for an error of the driver."""
    if why := reason(error):
        return Unavailable(f"The database is unavailable: {why}.")
    if sqlstate(error) in _NOT_TEXT:
        return ValidationProblem([{"pointer": "", "detail": "A text holds a NUL character."}])
    return error
