"""Comparison of user names and passwords by RFC 8265, independent of keyboard and case.

`Jörg` has two spellings in Unicode that look the same; the system decides which one is typed. And
nobody remembers whether the administrator wrote `Ann` or `ann`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from precis_i18n import get_profile

NAME_RULE: Final = (
    "a user name has 1 to 64 characters: letters and digits of any script, and ASCII punctuation "
    "but : and /; no white space (RFC 8265)"
)
_NAME: Final = re.compile(r"[^\s:/\x00-\x1f\x7f]{1,64}")
# Longer text is not a name. Normalizing takes time by the square of the combining characters: 8,000
# of them, which anybody can send to /token, took 40 ms.
_LONGEST: Final = 256
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # a text column cannot hold them
_shown = get_profile("UsernameCasePreserved")
_compared = get_profile("UsernameCaseMapped")


def new_name(text: str) -> str:
    """A user name as it is stored and shown: composed (NFC), in the case it was given in.

    Raises:
        ValueError: with one sentence, if it is no name.
    """
    try:
        name: str = _shown.enforce(text) if len(text) <= _LONGEST else ""
        _compared.enforce(name)
    except UnicodeEncodeError:
        name = ""
    if not _NAME.fullmatch(name):
        raise ValueError(NAME_RULE)
    return name


def name_key(text: str) -> str:
    """The key by which a user name is found: the same for all of its spellings and cases.

    Any text has a key, because names that RFC 8265 does not allow may be older than this rule.
    """
    if len(text) > _LONGEST:
        return _UNSTORABLE.sub("\ufffd", text.lower())
    try:
        return str(_compared.enforce(text))
    except UnicodeEncodeError:
        pass
    lowered = unicodedata.normalize("NFC", text).lower()
    return _UNSTORABLE.sub("\ufffd", unicodedata.normalize("NFC", lowered))


def same_password(text: str) -> str:
    """A password in the one form that is hashed (RFC 8265, section 4.2: OpaqueString).

    Implemented here, because the profile refuses characters that Python's tables do not have yet.
    """
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    return unicodedata.normalize("NFC", spaced)
