"""How the log is stored in Redis, and the scripts that change it; they need Redis 6.2 or newer.

The log hash holds the `epoch` and, per channel, the newest position as `<ms>-<offset>`. It keeps
the position even when every entry before it has been trimmed or evicted. A channel's events are a
stream. The ID of an entry is its position, and each entry names the cursor that it follows:

    <ms>-<offset>  after <cursor>  before <bytes>  data <JSON>  tags <lines>  by <writer>
    <ms>-<offset>  after <cursor>  before <bytes>  break ""
    <ms>-<offset>  after <cursor>  before <bytes>  tags <lines>  by <writer>

The first is an event, the second a gap; the third stands in CHANGES.

A reader that has the entry before therefore knows that it missed nothing, and any other reader
notices. The tags name the cached answers that the event invalidates. Invalidations without an event
have a stream of their own. `before` is how many bytes were appended to the stream before the entry,
so the size of a stream is known from its oldest entry (common.lua). `<ms>` is the time of Redis, so
that entries can be trimmed by age. The keys never expire: a Redis that evicts only keys with an
expiry keeps the log.
"""

from __future__ import annotations

from typing import Final

from alphapulse_api.domain.channels import LOGGED
from alphapulse_api.runtime.lua import load_lua
from alphapulse_api.runtime.redis import PREFIX

LOG: Final = f"{PREFIX}log"
WRITER: Final = f"{PREFIX}writer:"
RELAYED: Final = [f"{PREFIX}relayed:{age}" for age in ("younger", "older")]
STREAMS: Final = {name: f"{PREFIX}events:{name}" for name in LOGGED}
CHANGED: Final = "changes"  # the name of the stream of invalidations, beside those of the channels
CHANGES: Final = f"{PREFIX}invalidations"
ALL: Final = {**STREAMS, CHANGED: CHANGES}

APPEND: Final = load_lua(__package__, "common", "append")
VISIT: Final = load_lua(__package__, "common", "visit")
