"""What Redis does for the log, in one step each; it needs Redis 6.2 or newer.

The log is one hash: `epoch`, and by channel the newest place as `<ms>-<offset>`. It knows the place
also when everything before it has been trimmed or evicted. A channel's events are a stream; an
entry's ID is its place, and each carries the cursor that it comes after:

    <ms>-<offset>  after <cursor>  data <JSON>    an event
    <ms>-<offset>  after <cursor>  break ""       events may be missing here

So a reader that was handed the entry before has missed nothing, and one that was not sees it.
`<ms>` is the time of Redis, so that entries can be trimmed by age. Keys carry no expiry: a Redis
that evicts only keys which have one lets the log be.
"""

from __future__ import annotations

from typing import Final

from alphapulse_api.events.base import CHANNELS
from alphapulse_api.redis_link import PREFIX

LOG: Final = f"{PREFIX}log"
WRITER: Final = f"{PREFIX}writer:"
CHANGES: Final = f"{PREFIX}changes"
STREAMS: Final = {name: f"{PREFIX}events:{name}" for name in CHANNELS}
TOLD: Final = [f"{PREFIX}told:{name}:{age}" for age in ("younger", "older") for name in CHANNELS]

# KEYS: the log, the writer, the changes; a stream a channel; what each of them has told, the
# younger and then the older part.
# ARGV: 1 an epoch, to begin with; by stream the newest cursor that the caller knows to have been
# there.
_COMMON: Final = """
local log, writer, changes = KEYS[1], KEYS[2], KEYS[3]
local channels = (#KEYS - 3) / 3
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

local function add(stream, ms, offset, kind, value)
  local after = epoch .. '-' .. id(ms, offset)
  ms, offset = math.max(ms, now), offset + 1
  local entry = {'XADD', stream, id(ms, offset), 'after', after, kind, value}
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
  for i = 4, 3 + channels do
    local stream, seen = KEYS[i], ARGV[i - 2]
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
# a mark and the JSON of each. Returns the epoch, and the place of each stream.
# A batch of a number that the writer has had is one whose answer was lost: not appended again.
#
# A mark is `<age> <stage> <identity>` (events/base.py: Progress), the age in ms or empty; or it is
# empty: news. What was told is two hashes a channel, from identity to stage: once the younger is
# full, or old, it takes the place of the older. So the log knows all that it told since the older
# began (`knows:<stream>`; 0: since the epoch did); and `began:<stream>` is when the younger did.
APPEND: Final = (
    _COMMON
    + """
local n = channels + 2
local number, name, kept, kept_ms, changed = unpack(ARGV, n, n + 4)
check()

local function memory(at)
  local stream, younger, older = KEYS[3 + at], KEYS[3 + channels + at], KEYS[3 + 2 * channels + at]
  local began = redis.call('HGET', log, 'began:' .. stream)
  if not began then
    began = now
    redis.call('HSET', log, 'began:' .. stream, began)
  end
  if redis.call('HLEN', younger) >= tonumber(kept) or now - began > tonumber(kept_ms) then
    if redis.call('UNLINK', older) == 1 then
      redis.call('HSET', log, 'knows:' .. stream, began)
    end
    if redis.call('EXISTS', younger) == 1 then
      redis.call('RENAME', younger, older)
    end
    redis.call('HSET', log, 'began:' .. stream, now)
  end
  return younger, older, tonumber(redis.call('HGET', log, 'knows:' .. stream) or 0)
end

local function told(younger, older, knows, age, stage, identity)
  local known = redis.call('HGET', younger, identity) or redis.call('HGET', older, identity)
  if known then
    local first, second = parse(stage)
    return not later(first, second, parse(known))
  end
  return age ~= '' and now - age <= knows
end

if tonumber(number) > tonumber(redis.call('GET', writer) or 0) then
  redis.call('SET', writer, number, 'EX', 86400)
  if changed ~= '' then
    redis.call('XADD', changes, 'MAXLEN', '~', 1000, '*', 'by', name, 'changed', changed)
  end
  n = n + 5
  while ARGV[n] do
    local stream, last = KEYS[3 + ARGV[n]], n + 2 + 2 * ARGV[n + 2]
    local ms, offset = place(stream)
    if ARGV[n + 1] == '1' then
      ms, offset = tear(stream, ms, offset)
    end
    local younger, older, knows = memory(ARGV[n])
    for i = n + 3, last, 2 do
      local age, stage, identity = string.match(ARGV[i], '^(%d*) (%d+%-%d+) (.*)$')
      if not (stage and told(younger, older, knows, age, stage, identity)) then
        ms, offset = add(stream, ms, offset, 'data', ARGV[i + 1])
        if stage then
          redis.call('HSET', younger, identity, stage)
        end
      end
    end
    redis.call('HSET', log, stream, id(ms, offset))
    redis.call('XTRIM', stream, 'MAXLEN', '~', kept)
    redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f', math.max(0, now - kept_ms)))
    n = last + 1
  end
end
local answer = {epoch}
for i = 4, 3 + channels do
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
for i = 4, 3 + channels do
  answer[#answer + 1] = id(place(KEYS[i]))
  answer[#answer + 1] = origins[i] or ''
end
return answer
"""
)
