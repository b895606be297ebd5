"""Secrets, masked for display."""

import re

__all__ = ["hide", "hide_password"]

MASK = "********"


def hide(_secret: str) -> str:
    """Return a mask that reveals nothing of the secret, not even its length."""
    return MASK


def hide_password(url: str) -> str:
    """Return the URL with any password in it masked, and its host and path kept.

    A password with an unescaped `/`, `#` or `@`, which a URL parser would cut in two, is masked to
    its end.
    """
    scheme, separator, rest = url.partition("://")
    rest = re.sub(r"([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*", rf"\1{MASK}", rest, flags=re.I)
    credentials, at, location = rest.rpartition("@")
    user, colon, _password = credentials.partition(":")
    return scheme + separator + user + (colon and f":{MASK}") + at + location
