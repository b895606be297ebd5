"""Who runs a command, as the audit log has it."""

from __future__ import annotations

import getpass
import os

from alphapulse_api.domain.deeds import Actor


def os_user() -> Actor:
    """The user of the operating system; its id, if it has no name here."""
    return Actor(_name(), "command_line")


def _name() -> str:
    try:
        import pwd
    except ModuleNotFoundError:  # on Windows
        return getpass.getuser()
    user = os.getuid()  # not from the environment, in which anybody can write another name
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # such as in a container
        return str(user)
