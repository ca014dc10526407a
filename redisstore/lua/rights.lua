-- Finds out what the user may not do of what the store does. A script that meets that half
-- way is not undone, so it is found out before there is one.
-- KEYS: a session that there is not. It is not there afterwards either.
-- Returns the names of the commands that the user may not use.

local key, refused = KEYS[1], {}
local function try(command, ...)
  local answer = redis.pcall(command, ...)
  local err = type(answer) == 'table' and answer.err
  -- Whether there is room, say, is another question: it changes.
  if err and (string.find(err, 'this command', 1, true) or string.find(err, 'permission', 1, true)) then
    refused[#refused + 1] = command
  end
end
try('TIME')
try('EXISTS', key)
try('HSET', key, 'm', '')
try('PEXPIRE', key, 60000)
try('PTTL', key)
try('HGETALL', key)
try('HGET', key, 'm')
try('HMGET', key, 'm')
try('HSTRLEN', key, 'm')
try('HEXISTS', key, 'm')
try('HKEYS', key)
try('HDEL', key, 'm')
try('DEL', key)
try('ZADD', key, 'GT', 1, 'm')
try('ZSCORE', key, 'm')
try('ZRANGE', key, 0, -1)
try('ZRANGEBYSCORE', key, 0, 1)
try('ZREVRANGEBYSCORE', key, 1, 0)
try('ZREM', key, 'm')
try('ZREMRANGEBYSCORE', key, 0, 1)
redis.pcall('DEL', key)
return refused
