-- Prelude of append.lua and visit.lua; scripts.py describes how the log is stored.
--
-- KEYS: the log hash, the writer's counter, the younger and the older set of relayed ids, then one
--       stream per channel, and last the stream of invalidations.
-- ARGV: 1     the epoch to begin with if there is no log yet;
--       2...  per stream, the newest cursor that the caller knows the stream to have held.

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

-- Bytes are counted by two numbers in the log hash that only grow: `bytes:<stream>` counts all that
-- was ever appended, `floor:<stream>` what was trimmed of it. Each entry holds the first number as it
-- was before the entry, so the second can be read from the oldest entry, whoever trimmed.
local bytes, floors = {}, {}
do
  local names = {}
  for i = 5, #KEYS do
    names[#names + 1] = 'bytes:' .. KEYS[i]
    names[#names + 1] = 'floor:' .. KEYS[i]
  end
  local found = redis.call('HMGET', log, unpack(names))
  for i = 5, #KEYS do
    bytes[KEYS[i]] = tonumber(found[2 * i - 9] or 0)
    floors[KEYS[i]] = tonumber(found[2 * i - 8] or 0)
  end
end

local function digits(value)
  return string.format('%.0f', value)
end

local function first(stream, from)
  return redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
end

-- nil for the entry of a foreign writer.
local function before(entry)
  return entry[2][3] == 'before' and tonumber(entry[2][4]) or nil
end

local function set_floor(stream, floor)
  floors[stream] = floor
  redis.call('HSET', log, 'floor:' .. stream, digits(floor))
end

local function measure(stream)
  local oldest = first(stream, '-')
  set_floor(stream, oldest and before(oldest) or bytes[stream])
end

local function held(stream)
  return bytes[stream] - floors[stream]
end

local function save(stream, ms, offset)
  redis.call('HSET', log, stream, id(ms, offset), 'bytes:' .. stream, digits(bytes[stream]))
end

local ENTRY_BYTES = 100 -- of an entry beside its fields

local function add(stream, ms, offset, ...)
  local after, so_far, size = epoch .. '-' .. id(ms, offset), bytes[stream], ENTRY_BYTES
  ms, offset = math.max(ms, now), offset + 1
  local entry = {'XADD', stream, id(ms, offset),
    'after', after, 'before', digits(so_far), ...}
  for i = 8, #entry do
    size = size + #entry[i]
  end
  bytes[stream] = so_far + size
  local answer = redis.pcall(unpack(entry))
  if type(answer) == 'table' then
    -- A foreign writer used the key: continue after its newest entry, or delete the key if that
    -- entry is far in the future.
    local behind = string.find(answer.err, 'smaller')
    local newest = behind and redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local newest_ms = newest and parse(newest[1])
    if newest_ms and newest_ms < now + 60000 then
      ms = newest_ms + 1
      entry[3] = id(ms, offset)
    elseif behind then
      redis.call('DEL', stream)
      set_floor(stream, so_far)
    end
    redis.call(unpack(entry))
  end
  return ms, offset
end

local function tear(stream, ms, offset)
  ms, offset = add(stream, ms, offset, 'break', '')
  save(stream, ms, offset)
  redis.call('HSET', log, 'break:' .. stream, id(ms, offset))
  return ms, offset
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
  -- A position older than every remaining entry was trimmed, not lost.
  return later(ms, offset, parse(oldest[1]))
end

-- Notes that the entries of a stream are gone, whoever removed them. A key of another type, which
-- only a foreign writer can have made, is deleted.
local function check_size(stream)
  local length = redis.pcall('XLEN', stream)
  if type(length) == 'table' then
    redis.call('DEL', stream)
    length = 0
  end
  if length == 0 and held(stream) > 0 then
    set_floor(stream, bytes[stream])
  end
end

-- Returns, per stream, the cursor to continue from; nil if the caller's own cursor is valid. A
-- position that the stream has lost is published to every reader as one gap.
local function check()
  local origins = {}
  for i = 5, #KEYS do
    local stream, seen = KEYS[i], ARGV[i - 3]
    check_size(stream)
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
