-- Counts a request of a caller, unless it is refused: GCRA, as in gcra.py.
--
-- KEYS: 1 the caller's arrival time, in microseconds of Redis' clock, which all processes share.
-- ARGV: 1 the interval; 2 the window, both in microseconds; 3 the tolerated part of an interval.
-- Returns whether the request is allowed, and the microseconds until the allowance is whole. The
-- latter is text, because Redis truncates Lua's numbers to integers.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local whole_at = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- After the clock is set back, nobody waits longer than a window.
whole_at = math.min(math.max(whole_at, now), now + window)
local allowed = whole_at + interval - now - window <= interval * tonumber(ARGV[3])
if allowed then
  whole_at = whole_at + interval
  local text = string.format('%.3f', whole_at)
  redis.call('SET', KEYS[1], text, 'PX', math.ceil(window / 1000))
end
return {allowed and 1 or 0, string.format('%.3f', whole_at - now)}
