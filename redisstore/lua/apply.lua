-- Merges a change into a session, as beaker.Merge does.
--
-- KEYS: the session
-- ARGV: 1 numbers, with a space between them: now, the version that it must have (0
--   any), touch, whether data changes, the limits on bytes and values (0 none), whether
--   to clear, how many options, how many values to remove;
--   2 the proof ('' asks without one); then the options (a letter and its data in
--   turn), the fields to remove, and the fields to set (name and data in turn).
-- Options: i idle timeout, x absolute deadline, p next proof, u until when the replaced
--   proof is good, s time of the sign-in and subject, c cookie attributes, k the subject
--   whose index has the new absolute deadline already.
--
-- Returns the version, or a list that begins with a code:
--   {1, version, absolute deadline} if somebody was signed in
--   {-1} corrupt, {-2} newer format, {-3, version} conflict,
--   {-4, bytes, values} too large, {-5, subject} raise the deadline in its index first
-- and 0 if there is no such session. A script that fails half way is not undone, so all
-- is checked before the first write.

local key = KEYS[1]
local clock, want, touch, data, maxBytes, maxValues, clear, options, removed =
  string.match(ARGV[1], '^(%d+) (%d+) (%d+) (%d) (%d+) (%d+) (%d) (%d+) (%d+)$')
local now, proof = tonumber(clock), ARGV[2]
data, clear, removed = data == '1', clear == '1', tonumber(removed)

local h
if data then h = redis.call('HMGET', key, 'm', 'p', 'n') else h = redis.call('HMGET', key, 'm', 'p') end
local meta, p = h[1], h[2] or ''
if not meta then
  if redis.call('EXISTS', key) == 0 then return 0 end
  return {-1}
end
local version, created, touchedText, idleText, absText = string.match(meta, '^1 (%d+) (%d+) (%d+) (%d+) (%d+)$')
if not version or #p ~= 32 and #p ~= 64 then
  local format = tonumber(string.match(meta, '^(%d+) ') or '')
  if format and format > 1 then return {-2} end
  return {-1}
end
-- What was text and stays as it was is not made to text again: that is what a script
-- takes longest for.
local touched, idle, abs = tonumber(touchedText), tonumber(idleText), tonumber(absText)
if touched > 2251799813685248 or abs > 2251799813685248 or idle == 0 or idle > 9223372036854 then return {-1} end

-- The caller's clock decides, and never a TTL: it may be behind or ahead.
if now >= touched + idle or now >= abs then return 0 end

local option, at = {}, 3
for _ = 1, tonumber(options) do
  option[ARGV[at]] = ARGV[at + 1]
  at = at + 2
end
local remove, set = at, at + removed
local signedIn = option.s and string.match(option.s, '^%d+ (.+)$')

-- Who has the previous proof may do everything but rotate: otherwise two tabs rotate in
-- turn, and each kills the other's new cookie.
local current, previous = string.sub(p, 1, 32), string.sub(p, 33)
local holder = proof == '' or proof == current
if option.p and previous ~= '' and option.p == current and (proof == '' or proof == previous) then
  -- The very same change, whose acknowledgement was lost.
  if signedIn then return {1, tonumber(version), abs} end
  return tonumber(version)
end
if not holder then
  if option.p or previous == '' or proof ~= previous then return 0 end
  local graced = string.match(redis.call('HGET', key, 'r') or '', '^(%d+) %d+$')
  if not graced then return {-1} end
  if now >= tonumber(graced) then return 0 end
end
if want ~= '0' and want ~= version then return {-3, tonumber(version)} end

local function ttl()
  return string.format('%d', math.max(math.min(touched + idle, abs) - now, 0) + 60000)
end
local function described()
  return '1 ' .. version .. ' ' .. created .. ' ' .. touchedText .. ' ' .. idleText .. ' ' .. absText
end

if tonumber(touch) > touched then
  touched, touchedText = tonumber(touch), touch
elseif not data then
  return tonumber(version)
end
if not data then
  -- It takes no more room than before. PEXPIRE is allowed where memory is full, and
  -- after it so is everything.
  redis.call('PEXPIRE', key, ttl())
  redis.call('HSET', key, 'm', described())
  return tonumber(version)
end

local subject -- as it was; only looked up for those who need it
if option.s or option.x then
  subject = string.match(redis.call('HGET', key, 's') or '0 ', '^%d+ (.*)$')
  if not subject then return {-1} end
end
if option.x then
  local deadline = tonumber(option.x)
  if deadline > abs and not option.s and subject ~= '' and option.k ~= subject then
    return {-5, subject}
  end
  abs, absText = deadline, option.x
end
if option.i then idle, idleText = tonumber(option.i), option.i end
local number = tonumber(version) + 1
version = string.format('%d', number)
local fields = {'m', described()}

if clear or remove <= #ARGV then
  local values, bytes = string.match(h[3] or '', '^(%d+) (%d+)$')
  if not values then return {-1} end
  values, bytes = tonumber(values), tonumber(bytes)
  -- What the values take: the length of each name and value, each with its own length
  -- before it, seven bits of that a byte.
  local function size(n)
    if n < 128 then return n + 1 elseif n < 16384 then return n + 2 elseif n < 2097152 then return n + 3 end
    if n < 268435456 then return n + 4 end
    return n + 5
  end
  local gone = {}
  local function forget(field)
    local n = redis.call('HSTRLEN', key, field)
    if n > 0 or redis.call('HEXISTS', key, field) == 1 then
      values, bytes = values - 1, bytes - size(#field - 1) - size(n)
    end
  end
  if clear then values, bytes = 0, 0 end
  for i = remove, set - 1 do
    if not clear and not gone[ARGV[i]] then forget(ARGV[i]) end
    gone[ARGV[i]] = true
  end
  for i = set, #ARGV, 2 do
    if not clear and not gone[ARGV[i]] then forget(ARGV[i]) end
    values, bytes = values + 1, bytes + size(#ARGV[i] - 1) + size(#ARGV[i + 1])
  end
  if set <= #ARGV then
    local total = bytes + size(values) - values
    maxBytes, maxValues = tonumber(maxBytes), tonumber(maxValues)
    if maxBytes > 0 and total > maxBytes or maxValues > 0 and values > maxValues then
      return {-4, total, values}
    end
  end
  fields[3], fields[4] = 'n', string.format('%d %d', values, bytes)
end
local function put(field, value)
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end
if option.p then
  put('p', option.p .. current)
  put('r', option.u .. ' ' .. clock)
end
if option.s then put('s', option.s) end
if option.c then put('c', option.c) end
-- Few values go with the rest, many in steps: unpack has a limit.
if removed == 0 and not clear and #ARGV - set < 200 then
  for i = set, #ARGV do fields[#fields + 1] = ARGV[i] end
  set = #ARGV + 1
end

-- The first write is one that is refused where memory is full: then nothing was written.
redis.call('HSET', key, unpack(fields))
if clear then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 1) == ':' then redis.call('HDEL', key, field) end
  end
end
for i = remove, remove + removed - 1, 200 do
  redis.call('HDEL', key, unpack(ARGV, i, math.min(i + 199, remove + removed - 1)))
end
for i = set, #ARGV, 200 do
  redis.call('HSET', key, unpack(ARGV, i, math.min(i + 199, #ARGV)))
end
redis.call('PEXPIRE', key, ttl())
if option.s and string.match(option.s, '^%d+ (.*)$') ~= subject then
  -- Who watches sees that it is another's now; who may not publish may do this.
  redis.pcall('PUBLISH', string.sub(key, 1, -65) .. 'ended', string.sub(key, -64))
end
if signedIn then return {1, number, abs} end
return number
