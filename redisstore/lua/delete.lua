-- Deletes a session and tells those who watch.
-- KEYS: the session.
-- Returns whose it was: the time of the sign-in, a space and the subject; '' if nobody's.

local key = KEYS[1]
-- What is not a session is deleted too, whatever it is.
local s = redis.pcall('HGET', key, 's')
if redis.call('DEL', key) == 1 then
  -- Who may not publish may still log out.
  redis.pcall('PUBLISH', string.sub(key, 1, -65) .. 'ended', string.sub(key, -64))
end
if type(s) == 'string' then return s end
return ''
