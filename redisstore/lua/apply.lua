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
touch, maxBytes, maxValues = tonumber(touch), tonumber(maxBytes), tonumber(maxValues)
data, clear = data == '1', clear == '1'

local h = redis.call('HMGET', key, 'm', 'n', 'p', 'r', 's')
if not h[1] then
  if redis.call('EXISTS', key) == 0 then return 0 end
  return {-1}
end
local format = tonumber(string.match(h[1], '^(%d+) ') or '')
if format and format > 1 then return {-2} end
local version, created, touched, idle, abs = string.match(h[1], '^1 (%d+) (%d+) (%d+) (%d+) (%d+)$')
local values, bytes = string.match(h[2] or '', '^(%d+) (%d+)$')
local p = h[3] or ''
local graced = string.match(h[4] or '', '^(%d+) %d+$')
local subject = string.match(h[5] or '0 ', '^%d+ (.*)$')
if not version or not values or not subject or not (#p == 32 or #p == 64 and graced) then
  return {-1}
end
touched, idle, abs = tonumber(touched), tonumber(idle), tonumber(abs)

-- The caller's clock decides, and never a TTL: it may be behind or ahead.
if now >= touched + idle or now >= abs then return 0 end

local option, at = {}, 3
for _ = 1, tonumber(options) do
  option[ARGV[at]] = ARGV[at + 1]
  at = at + 2
end
local remove, set = at, at + tonumber(removed)

-- Who has the previous proof may do everything but rotate: otherwise two tabs rotate in
-- turn, and each kills the other's new cookie.
local current, previous = string.sub(p, 1, 32), string.sub(p, 33)
local holder = proof == '' or proof == current
local signedIn = option.s and string.match(option.s, '^%d+ (.+)$')
if option.p then
  if previous ~= '' and option.p == current and (proof == '' or proof == previous) then
    -- The very same change, whose acknowledgement was lost.
    if signedIn then return {1, tonumber(version), abs} end
    return tonumber(version)
  end
  if not holder then return 0 end
elseif not holder and (previous == '' or proof ~= previous or now >= tonumber(graced)) then
  return 0
end
if want ~= '0' and want ~= version then return {-3, tonumber(version)} end

local function ttl()
  return string.format('%.0f', math.max(math.min(touched + idle, abs) - now, 0) + 60000)
end
local function meta()
  return string.format('1 %s %s %.0f %.0f %.0f', version, created, touched, idle, abs)
end

if touch > touched then
  touched = touch
elseif not data then
  return tonumber(version)
end
if not data then
  -- It takes no more room than before. PEXPIRE is allowed where memory is full, and
  -- after it so is everything.
  redis.call('PEXPIRE', key, ttl())
  redis.call('HSET', key, 'm', meta())
  return tonumber(version)
end

version = string.format('%.0f', tonumber(version) + 1)
if option.i then idle = tonumber(option.i) end
if option.x then
  local deadline = tonumber(option.x)
  if deadline > abs and not option.s and subject ~= '' and option.k ~= subject then
    return {-5, subject}
  end
  abs = deadline
end

local fields = {'m', meta()}
local function put(field, value)
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end

-- What the values take: the length of each name and value, each with its own length
-- before it, seven bits of that a byte.
local function size(n)
  if n < 128 then return n + 1 elseif n < 16384 then return n + 2 elseif n < 2097152 then return n + 3 end
  if n < 268435456 then return n + 4 end
  return n + 5
end
if clear or remove <= #ARGV then
  values, bytes = tonumber(values), tonumber(bytes)
  local seen = {}
  local function forget(field)
    if seen[field] then return end
    seen[field] = true
    if clear then return end
    local n = redis.call('HSTRLEN', key, field)
    if n > 0 or redis.call('HEXISTS', key, field) == 1 then
      values, bytes = values - 1, bytes - size(#field - 1) - size(n)
    end
  end
  if clear then values, bytes = 0, 0 end
  for i = remove, set - 1 do forget(ARGV[i]) end
  for i = set, #ARGV, 2 do
    forget(ARGV[i])
    values, bytes = values + 1, bytes + size(#ARGV[i] - 1) + size(#ARGV[i + 1])
  end
  if set <= #ARGV then
    local total = bytes + size(values) - values
    if maxBytes > 0 and total > maxBytes or maxValues > 0 and values > maxValues then
      return {-4, total, values}
    end
  end
  put('n', string.format('%.0f %.0f', values, bytes))
end
if option.p then
  put('p', option.p .. current)
  put('r', option.u .. ' ' .. clock)
end
if option.s then put('s', option.s) end
if option.c then put('c', option.c) end

-- The first write is one that is refused where memory is full: then nothing was written.
redis.call('HSET', key, unpack(fields))
if clear then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 1) == ':' then redis.call('HDEL', key, field) end
  end
end
for i = remove, set - 1, 200 do
  redis.call('HDEL', key, unpack(ARGV, i, math.min(i + 199, set - 1)))
end
for i = set, #ARGV, 200 do
  redis.call('HSET', key, unpack(ARGV, i, math.min(i + 199, #ARGV)))
end
redis.call('PEXPIRE', key, ttl())
if option.s and string.match(option.s, '^%d+ (.*)$') ~= subject then
  -- Who watches sees that it is another's now; who may not publish may do this.
  redis.pcall('PUBLISH', string.sub(key, 1, -65) .. 'ended', string.sub(key, -64))
end
if signedIn then return {1, tonumber(version), abs} end
return tonumber(version)
