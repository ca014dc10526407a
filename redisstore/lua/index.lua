-- Adds a session to its subject's index: a sorted set of sessions by absolute deadline.
-- The mark of a revocation is in it too, above all deadlines, because two keys could not
-- be used at once while their slot moves to another node of a cluster.
--
-- KEYS: the index. ARGV: now, the session's key, its absolute deadline, when the sign-in
-- began ('' if nobody signs in), for how long a mark is kept.
-- Returns 1, or 0 if the subject was revoked since.

local key, now = KEYS[1], tonumber(ARGV[1])
local deadlines = 2251799813685248 -- 2^51, the highest
local mark = redis.call('ZSCORE', key, 'revoked')
local revoked = mark and tonumber(mark) - 2 * deadlines
if revoked and ARGV[4] ~= '' and tonumber(ARGV[4]) <= revoked then return 0 end

-- What is over by this node's clock and by the server's is dropped, a minute late: a
-- node whose clock is wrong must not hide sessions that go on on others. It also lets
-- ZADD pass where memory is full: the session is there already.
local over = math.min(now, tonumber(redis.call('TIME')[1]) * 1000) - 60000
redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', over))
redis.call('ZADD', key, 'GT', ARGV[3], ARGV[2])
local last = redis.call('ZREVRANGEBYSCORE', key, deadlines, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
local ttl = tonumber(last[2]) - now + 120000
if revoked then ttl = math.max(ttl, revoked - now + tonumber(ARGV[5])) end
ttl = math.max(ttl, 120000)
if ttl > redis.call('PTTL', key) then -- for the same reason
  redis.call('PEXPIRE', key, string.format('%.0f', ttl))
end
return 1
