"""What a host's own accessor has for the books other than the main one: nothing."""

from __future__ import annotations

from typing import Any, NoReturn

from alphapulse_api.storage.host.calls import not_of_main


class NoBooks:
    """The store of a resource that the host keeps, for books that the host does not keep.

    Args:
        resource: the name of the resource.
    """

    def __init__(self, resource: str) -> None:
        self._resource = resource

    def __repr__(self) -> str:
        return f"<NoBooks of {self._resource}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._refuse

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse a call.

        Raises:
            Problem: 501.
        """
        raise not_of_main(self._resource)
