-- Deletes a session if it is expired.
-- KEYS: the session. ARGV: now.
-- Returns {1, whose} if it was deleted, as delete.lua does, and 0 if not.

local h = redis.call('HMGET', KEYS[1], 'm', 's')
local touched, idle, abs = string.match(h[1] or '', '^1 %d+ %d+ (%d+) (%d+) (%d+)$')
local now = tonumber(ARGV[1])
-- What does not decode may be a newer release's. Its TTL removes it.
if not touched or now < tonumber(touched) + tonumber(idle) and now < tonumber(abs) then
  return 0
end
redis.call('DEL', KEYS[1])
return {1, h[2] or ''}
