-- Deletes a session if it still is the subject's, and tells those who watch.
-- KEYS: the session. ARGV: the subject.
-- Returns 1 if it was deleted, 2 if it is somebody else's, 3 if there is none.

local key = KEYS[1]
local s = redis.call('HGET', key, 's')
if not s then
  if redis.call('EXISTS', key) == 0 then return 3 end
  return 2
end
if string.match(s, '^%d+ (.*)$') ~= ARGV[1] then return 2 end
redis.call('DEL', key)
redis.pcall('PUBLISH', string.sub(key, 1, -65) .. 'ended', string.sub(key, -64))
return 1
