-- Stores a new session.
-- KEYS: the session. ARGV: its TTL in ms, then fields and their data in turn.
-- Returns 1, or 0 if there is something under the key.

local key = KEYS[1]
if redis.call('EXISTS', key) == 1 then
  return 0
end
-- HSET is refused where memory is full, and it is the first write: then nothing was
-- written. unpack has a limit, hence the steps.
for i = 2, #ARGV, 200 do
  redis.call('HSET', key, unpack(ARGV, i, math.min(i + 199, #ARGV)))
end
redis.call('PEXPIRE', key, ARGV[1])
return 1
