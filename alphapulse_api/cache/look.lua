-- Finds an answer under the current version of its resource.
--
-- KEYS: 1 the hash of versions; 2 the answer.
-- ARGV: 1 the resource; 2 the version it gets if it has none; 3 seconds that the hash lives after
--       its newest version was made.
-- Returns the version, and the answer if it was computed under that version, else false. An answer
-- of an older version stays until it expires.
local version = redis.call('HGET', KEYS[1], ARGV[1])
if not version then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  return {ARGV[2], false}
end
local answer = redis.call('GET', KEYS[2])
if answer and string.sub(answer, 1, #version) == version then
  return {version, answer}
end
return {version, false}
