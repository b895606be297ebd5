"""What Redis does for the log, in one step each; it needs Redis 6.2 or newer.

The log is one hash: `epoch`, and by channel the newest place as `<ms>-<offset>`. It knows the place
also when everything before it has been trimmed or evicted. A channel's events are a stream; an
entry's ID is its place, and each carries the cursor that it comes after:

    <ms>-<offset>  after <cursor>  data <JSON>  tags <lines>  by <writer>    an event
    <ms>-<offset>  after <cursor>  break ""                                  events may be missing
    <ms>-<offset>  after <cursor>  tags <lines>  by <writer>                 in CHANGES

So a reader that was handed the entry before has missed nothing, and one that was not sees it. The
tags are of cached answers that the event makes stale; what makes answers stale and is no event is
in a stream of its own. `<ms>` is the time of Redis, so that entries can be trimmed by age. Keys
carry no expiry: a Redis that evicts only keys which have one lets the log be.
"""

from __future__ import annotations

from typing import Final

from alphapulse_api.log.base import CHANNELS
from alphapulse_api.runtime.redis import PREFIX

LOG: Final = f"{PREFIX}log"
WRITER: Final = f"{PREFIX}writer:"
RELAYED: Final = [f"{PREFIX}relayed:{age}" for age in ("younger", "older")]
STREAMS: Final = {name: f"{PREFIX}events:{name}" for name in CHANNELS}
CHANGED: Final = "changes"  # among the names of channels
CHANGES: Final = f"{PREFIX}invalidations"
ALL: Final = {**STREAMS, CHANGED: CHANGES}

# KEYS: the log, the writer; the ids that were relayed, the younger and the older of them; a stream
# a channel, and the changes.
# ARGV: 1 an epoch, to begin with; by stream the newest cursor that the caller knows to have been
# there.
_COMMON: Final = """
local log, writer, younger, older = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local streams = #KEYS - 4
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local epoch = redis.call('HGET', log, 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('DEL', unpack(KEYS, 3))
  redis.call('HSET', log, 'epoch', epoch)
end

local function id(ms, offset)
  return string.format('%.0f-%.0f', ms, offset)
end

local function parse(text)
  local ms, offset = string.match(text, '(%d+)-(%d+)$')
  return tonumber(ms), tonumber(offset)
end

local function later(ms, offset, than_ms, than_offset)
  return ms > than_ms or (ms == than_ms and offset > than_offset)
end

local function place(stream)
  local at = redis.call('HGET', log, stream)
  if not at then
    at = id(now, 0)
    redis.call('HSET', log, stream, at)
  end
  return parse(at)
end

local function add(stream, ms, offset, ...)
  local after = epoch .. '-' .. id(ms, offset)
  ms, offset = math.max(ms, now), offset + 1
  local entry = {'XADD', stream, id(ms, offset), 'after', after, ...}
  local answer = redis.pcall(unpack(entry))
  if type(answer) == 'table' then
    -- Somebody else wrote there: our place is behind theirs or, if that is far ahead or no
    -- stream at all, instead of it.
    local behind = string.find(answer.err, 'smaller')
    local newest = behind and redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local newest_ms = newest and parse(newest[1])
    if newest_ms and newest_ms < now + 60000 then
      ms = newest_ms + 1
      entry[3] = id(ms, offset)
    elseif behind or string.find(answer.err, 'WRONGTYPE') then
      redis.call('DEL', stream)
    end
    redis.call(unpack(entry))
  end
  return ms, offset
end

local function tear(stream, ms, offset)
  ms, offset = add(stream, ms, offset, 'break', '')
  redis.call('HSET', log, stream, id(ms, offset), 'break:' .. stream, id(ms, offset))
  return ms, offset
end

local function first(stream, from)
  return redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
end

local function lost(stream, ms, offset)
  local place_ms, place_offset = place(stream)
  if ms == place_ms and offset == place_offset then
    return false
  end
  if later(ms, offset, place_ms, place_offset) then
    return true
  end
  local at = id(ms, offset)
  if redis.call('XRANGE', stream, at, at)[1] then
    return false
  end
  local oldest = first(stream, '-')
  if not oldest then
    return false
  end
  -- If all that is left is younger, it was trimmed.
  return later(ms, offset, parse(oldest[1]))
end

-- By stream the cursor to go on from: nil if it is the one given. That a place was lost, with
-- whatever came before and after it, is made known to everyone by a break, once.
local function check()
  local origins = {}
  for i = 5, #KEYS do
    local stream, seen = KEYS[i], ARGV[i - 3]
    local seen_ms, seen_offset = parse(seen)
    if string.match(seen, '^%x+') ~= epoch then
      local entry = first(stream, '(' .. id(seen_ms, seen_offset))
      if entry and entry[2][1] == 'after' then
        origins[i] = entry[2][2]
      else
        origins[i] = epoch .. '-' .. id(place(stream))
      end
    elseif lost(stream, seen_ms, seen_offset) then
      local ms, offset = parse(redis.call('HGET', log, 'break:' .. stream) or '0-0')
      if not later(ms, offset, seen_ms, seen_offset) then
        ms, offset = tear(stream, place(stream))
      end
      origins[i] = epoch .. '-' .. id(ms, offset)
    end
  end
  return origins
end
"""

# ARGV, after those: the batch's number, the writer, how many entries to keep, for how many ms, what
# has changed; then by stretch: the stream's number, "1" to begin with a break, how many events, and
# a mark, the tags and the JSON of each. Returns the epoch, and the place of each stream.
# A batch of a number that the writer has had is one whose answer was lost: not appended again.
#
# A mark is what an outbox row is deduplicated by; or it is empty: news; or "=": the event goes with
# the one before it. Ids that were relayed are two sets: once the younger is full, or old, it takes
# the place of the older. So all since the older began are known, and no id needs a time.
APPEND: Final = (
    _COMMON
    + """
local n = streams + 2
local number, name, kept, kept_ms, changed = unpack(ARGV, n, n + 4)
check()

local function trim(stream)
  redis.call('XTRIM', stream, 'MAXLEN', '~', kept)
  redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f', math.max(0, now - kept_ms)))
end

local began = tonumber(redis.call('HGET', log, 'began') or 0)
if redis.call('SCARD', younger) >= tonumber(kept) or now - began > tonumber(kept_ms) then
  redis.call('UNLINK', older)
  if redis.call('EXISTS', younger) == 1 then
    redis.call('RENAME', younger, older)
  end
  redis.call('HSET', log, 'began', now)
end

local function relayed(row)
  return redis.call('SISMEMBER', older, row) == 1 or redis.call('SADD', younger, row) == 0
end

if tonumber(number) > tonumber(redis.call('GET', writer) or 0) then
  redis.call('SET', writer, number, 'EX', 86400)
  if changed ~= '' then
    local changes = KEYS[#KEYS]
    local ms, offset = place(changes)
    ms, offset = add(changes, ms, offset, 'tags', changed, 'by', name)
    redis.call('HSET', log, changes, id(ms, offset))
    trim(changes)
  end
  n = n + 5
  while ARGV[n] do
    local stream, last = KEYS[4 + ARGV[n]], n + 2 + 3 * ARGV[n + 2]
    local ms, offset = place(stream)
    if ARGV[n + 1] == '1' then
      ms, offset = tear(stream, ms, offset)
    end
    local known = false
    for i = n + 3, last, 3 do
      local mark, tags, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
      if mark ~= '=' then
        known = mark ~= '' and relayed(mark)
      end
      if known then
        -- Whoever relayed it has appended it.
      elseif tags == '' then
        ms, offset = add(stream, ms, offset, 'data', body)
      else
        ms, offset = add(stream, ms, offset, 'data', body, 'tags', tags, 'by', name)
      end
    end
    redis.call('HSET', log, stream, id(ms, offset))
    trim(stream)
    n = last + 1
  end
end
local answer = {epoch}
for i = 5, #KEYS do
  answer[#answer + 1] = id(place(KEYS[i]))
end
return answer
"""
)

# Returns the epoch, the time in ms, and by stream its place and the cursor to go on from: "" if it
# is the one given.
VISIT: Final = (
    _COMMON
    + """
local origins = check()
local answer = {epoch, string.format('%.0f', now)}
for i = 5, #KEYS do
  answer[#answer + 1] = id(place(KEYS[i]))
  answer[#answer + 1] = origins[i] or ''
end
return answer
"""
)
