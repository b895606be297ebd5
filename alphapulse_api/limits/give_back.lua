-- Takes back one count of a caller.
--
-- KEYS: 1 the caller's arrival time.
-- ARGV: 1 the interval, negative, in microseconds.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('INCRBYFLOAT', KEYS[1], ARGV[1])
end
