-- Appends a batch. Returns the epoch, and the position of each stream.
--
-- ARGV, after those of common.lua: the batch number, the writer, the entries to keep, how long to
-- keep them in ms, and the invalidated tags; then, for each run of events of one channel: the
-- number of the stream, "1" if a gap comes first, the number of events, and per event its mark,
-- tags and JSON.
--
-- A batch number that the writer has used before is a retry whose answer was lost; it is not
-- appended again.
--
-- A mark is the id by which an event is deduplicated. An empty mark is always new; "=" means that
-- the event shares the fate of the one before it. Relayed ids are kept in two sets: when the
-- younger is full or old, it replaces the older one. So every id since the older set began is
-- known, and no id needs a timestamp.

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
        -- Another process has relayed and appended it.
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
