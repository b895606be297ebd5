"""Checks of values, beyond their types.

Each check returns what is wrong with a value, as the end of a sentence that begins with the key, or
None. Checks of secrets never repeat the value.
"""

import base64
import re
from urllib.parse import urlsplit

from alphapulse_api.config.values import WORD_BITS, Check
from alphapulse_api.domain.addresses import UNIX, parse_network
from alphapulse_api.domain.budgets import Budget
from alphapulse_api.domain.matching import GROUPINGS, LABEL
from alphapulse_api.domain.occurrences import SEVERITIES
from alphapulse_api.domain.times import zone_of

MIN_SECRET_BYTES = 32
# The largest whole number that a float and every container's size can hold.
LARGEST = 2**53 - 1
SECRET_PREFIX = "whsec_"  # noqa: S105 (of secrets, by Standard Webhooks)
# A century, so that sums of times stay in the range of dates.
LONGEST = 100 * 365 * 86_400

_BASE_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_HOST_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9_-]+\.)*[a-z0-9_-]+")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")


def between(low: float, high: float) -> Check:
    """Check that low <= number <= high."""

    def check(value: float) -> str | None:
        if value < low:
            return f"must be at least {low}, not {_plain(value)}"
        if value > high:
            return f"must be at most {high}, not {_plain(value)}"
        return None

    return check


def above(low: float, high: float) -> Check:
    """Check that low < number <= high."""
    upper = between(low, high)

    def check(value: float) -> str | None:
        return f"must be more than {low}, not {_plain(value)}" if value <= low else upper(value)

    return check


COUNT = between(1, LARGEST)
WHOLE_SECONDS = between(1, LONGEST)
SECONDS = above(0, LONGEST)
SECONDS_OR_ZERO = between(0, LONGEST)


def repeat_seconds(value: float) -> str | None:
    return None if value == 0 else between(1, LONGEST)(value)


def host(value: str) -> str | None:
    return None if value.strip() else "must not be empty"


def base_path(value: str) -> str | None:
    if _BASE_PATH.fullmatch(value):
        return None
    return "must be empty, or a path such as /dashboard with no slash at its end"


def proxy(value: str) -> str | None:
    if value == UNIX:
        return None
    try:
        parse_network(value)
    except ValueError as error:
        return f"must be an IP address, a network such as 10.0.0.0/8, or {UNIX}; {error}"
    return None


def allowed_host(value: str) -> str | None:
    if value == "*" or _HOST_NAME.fullmatch(value):
        return None
    return (
        "must be a host name in lower case and without a port, such as dashboard.example.com, "
        f"*.example.com or *, not {value!r}"
    )


def time_zone(value: str) -> str | None:
    if not value or zone_of(value) is not None:
        return None
    return f"must be an IANA time zone such as Europe/Berlin, or empty, not {value!r}"


def budget(value: str) -> str | None:
    try:
        Budget.parse(value)
    except ValueError as error:
        return str(error)
    return None


def severity(value: str) -> str | None:
    if value in SEVERITIES:
        return None
    return f"must be one of {', '.join(SEVERITIES)}, not {value!r}"


def time_of_day(value: str) -> str | None:
    if not value or _TIME_OF_DAY.fullmatch(value):
        return None
    return f'must be a time of day such as "22:00", in quotes, not {value!r}'


def label(value: str) -> str | None:
    name, colon, text = value.partition(":")
    if name and colon and text:
        return None
    return f"must be name:value, not {value!r}"


def grouping(value: str) -> str | None:
    if value in GROUPINGS or re.fullmatch(rf"{LABEL}.+", value):
        return None
    return f"must be one of {', '.join(GROUPINGS)}, or label:name, not {value!r}"


def apprise_url(value: str) -> str | None:
    if re.match(r"[A-Za-z0-9]+://.", value):
        return None
    return "must be a URL that apprise knows, such as ntfy://topic"


def webhook_url(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        valid = False
    return None if valid else "must begin with http:// or https:// and name a host"


def webhook_secret(value: str) -> str | None:
    try:
        key = base64.b64decode(value.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if value.startswith(SECRET_PREFIX) and 24 <= len(key) <= 64:
        return None
    return (
        f"must be {SECRET_PREFIX} and the base64 of 24 to 64 random bytes; "
        "openssl rand -base64 32 makes them"
    )


def public_url(value: str) -> str | None:
    if not value or re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        return None
    return f"must be empty, or a URL such as https://dashboard.example.com, not {value!r}"


def origin(value: str) -> str | None:
    match = _ORIGIN.fullmatch(value)
    if value == "*" or (match and 0 < int(match[1] or 80) < 2**16):
        return None
    return (
        "must be scheme://host or scheme://host:port, in lower case and with no path, "
        f'or "*", not {value!r}'
    )


def jwt_secret(value: str) -> str | None:
    if len(value.encode()) >= MIN_SECRET_BYTES:
        return None
    return f"must be at least {MIN_SECRET_BYTES} bytes long"


def database_url(value: str) -> str | None:
    if re.match(r"sqlite:///.|postgresql://.", value):
        return None
    return "must begin with sqlite:/// and a path, or with postgresql://"


def redis_url(value: str) -> str | None:
    if re.match(r"(rediss?|unix)://.", value):
        return None
    return "must begin with redis://, rediss:// or unix://"


def _plain(number: float) -> float | str:
    """Return a number as a person would write it: 0 for 0.0, and never thousands of digits."""
    if isinstance(number, int) and number.bit_length() > WORD_BITS:
        return f"a number of {number.bit_length()} bits"
    return int(number) if abs(number) <= LARGEST and number == int(number) else number
