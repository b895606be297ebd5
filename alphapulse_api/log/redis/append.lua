-- Appends a batch. Returns the epoch, and the position of each stream.
--
-- ARGV, after those of common.lua: the batch number, the writer, the entries to keep, how long to
-- keep them in ms, the bytes to keep of each half of the channels, the half of each stream as one
-- character, and the invalidated tags; then, for each run of events of one channel: the number of the
-- stream, "1" if a gap comes first, the number of events, and per event its mark, tags and JSON.
--
-- A batch number that the writer has used before is a retry whose answer was lost; it is not
-- appended again.
--
-- A mark is the id by which an event is deduplicated. An event with an empty mark is always new; "="
-- means that the event is new if the one before it is. Relayed ids are kept in two sets: when the
-- younger is full or old, it replaces the older one. So every id since the older set began is
-- known, and no id needs a timestamp.

local n = streams + 2
local number, name, kept, kept_ms, kept_bytes, halves, changed = unpack(ARGV, n, n + 6)
check()

local function trim(stream)
  local oldest = digits(math.max(0, now - kept_ms))
  local trimmed = redis.call('XTRIM', stream, 'MAXLEN', '~', kept)
  trimmed = trimmed + redis.call('XTRIM', stream, 'MINID', '~', oldest)
  if trimmed > 0 then
    measure(stream)
  end
end

-- By stream, the first entry of this batch: no reader can have it yet.
local fresh = {}

local function unread(stream, entry)
  local at = fresh[stream]
  return at and not later(at[1], at[2], parse(entry[1]))
end

-- Evicts some of the oldest entries, about so many bytes; returns whether there were any to evict.
local function evict(stream, excess)
  local length = redis.call('XLEN', stream)
  local most = math.floor(65536 * length / math.max(1, held(stream)))
  local target = floors[stream] + excess
  local cut
  for _, entry in ipairs(redis.call(
    'XRANGE', stream, '-', '+', 'COUNT', math.max(1, math.min(100, most)))) do
    if unread(stream, entry) or (before(entry) or 0) >= target then
      break
    end
    local ms, offset = parse(entry[1])
    cut = id(ms, offset + 1)
  end
  if cut then
    redis.call('XTRIM', stream, 'MINID', '=', cut)
  end
  measure(stream)
  return cut ~= nil or length == 0
end

local function limit(half)
  while true do
    local sum, most, largest = 0, 0, nil
    for i = 1, streams do
      if string.sub(halves, i, i) == half then
        local size = held(KEYS[4 + i])
        sum = sum + size
        if size > most then
          most, largest = size, KEYS[4 + i]
        end
      end
    end
    local excess = sum - kept_bytes
    if excess <= 0 or not evict(largest, excess) then
      return
    end
  end
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
    save(changes, ms, offset)
    trim(changes)
  end
  n = n + 7
  while ARGV[n] do
    local stream, last = KEYS[4 + ARGV[n]], n + 2 + 3 * ARGV[n + 2]
    local ms, offset = place(stream)
    fresh[stream] = fresh[stream] or {math.max(ms, now), offset + 1}
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
        -- Another process has relayed and appended it.
      elseif tags == '' then
        ms, offset = add(stream, ms, offset, 'data', body)
      else
        ms, offset = add(stream, ms, offset, 'data', body, 'tags', tags, 'by', name)
      end
    end
    save(stream, ms, offset)
    trim(stream)
    n = last + 1
  end
  limit('0')
  limit('1')
end
local answer = {epoch}
for i = 5, #KEYS do
  answer[#answer + 1] = id(place(KEYS[i]))
end
return answer
