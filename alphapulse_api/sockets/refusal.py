"""A message of the socket that cannot be carried out."""

from __future__ import annotations

MessageId = int | str | None


class Refused(Exception):
    """A message that cannot be carried out.

    Attributes:
        code: one of `SOCKET_ERRORS`.
        text: what is wrong, what is allowed.
        channel: the channel it is about, if it is about one.
        id: of the message, if it has a valid one.
    """

    def __init__(self, code: str, text: str, channel: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.channel = channel
        self.id: MessageId = None
