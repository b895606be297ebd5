-- Stores an answer, unless its version is no longer current and outdated answers are not kept.
--
-- KEYS: 1 the hash of versions; 2 the answer.
-- ARGV: 1 the resource; 2 the version that the answer was computed under; 3 the answer; 4
--       milliseconds to live; 5 '1' if outdated answers are kept.
if ARGV[5] == '1' or redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
end
