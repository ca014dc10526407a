-- Notes in a subject's index that the subject was revoked; see index.lua.
-- KEYS: the index. ARGV: when, for how long that is kept.
-- Returns the keys of all sessions in the index.

local key, at, keep = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local deadlines = 2251799813685248
-- A write that is allowed where memory is full; after it so is ZADD. An account is
-- closed whatever happens.
local over = math.min(at, tonumber(redis.call('TIME')[1]) * 1000) - 60000
redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', over))
redis.call('ZADD', key, 'GT', string.format('%.0f', at + 2 * deadlines), 'revoked')
if redis.call('PTTL', key) < keep then
  redis.call('PEXPIRE', key, ARGV[2])
end
return redis.call('ZRANGEBYSCORE', key, '-inf', deadlines)
