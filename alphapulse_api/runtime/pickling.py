"""Objects that belong to one process."""

from __future__ import annotations


class Unpicklable:
    """Says what to send to another process in place of a dashboard or its feed."""

    __slots__ = ()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: send the dashboard's url, and feed from "
            "the other process over HTTP with alphapulse_api.client"
        )
