-- What the scripts share. The states of a key, all numbers big-endian:
--   'KV' version(8) expires-at(8, microseconds, 0 = never) length(1) content-type value
--   'KN' version(8)                      nothing is there
--   'KL' token(8)                        a reader fetches the key
--   'KM' floor(8) taint(1) { attempt(8) deadline(8, microseconds) }*    writes are in flight
-- Versions, tokens and attempts have 64 bits, more than a Lua number holds: they stay strings.

local call, pcall_redis = redis.call, redis.pcall
local sub, byte, pack, parse = string.sub, string.byte, struct.pack, struct.unpack
local ZERO = string.rep('\0', 8)

local function now_micros()
  local time = call('TIME')
  return time[1] * 1000000 + time[2]
end

-- KEYS[1] is there while the epoch lives, and names the Redis process that it was opened on: a restart from a snapshot
-- brings the key back, but not the process.
local function epoch_error(alive)
  if not alive then
    return redis.error_reply('NOEPOCH the epoch is not known')
  end
  if alive ~= ARGV[1] then
    return redis.error_reply('RESTARTED the epoch was opened on another process')
  end
end

-- A string comparison would follow the locale of the server.
local function is_newer(version, other)
  local high, low = parse('>I4I4', version)
  local other_high, other_low = parse('>I4I4', other)
  return high > other_high or (high == other_high and low > other_low)
end

-- The state that a value of Redis stands for: 'V', 'N', 'L', 'M', or nil if there is none or it is garbage.
local function state_of(value)
  if type(value) ~= 'string' then
    return nil
  end
  local state, length = sub(value, 1, 2), #value
  if state == 'KV' and length >= 19 and length >= 19 + byte(value, 19) then
    return 'V'
  elseif state == 'KN' and length == 10 then
    return 'N'
  elseif state == 'KL' and length == 10 then
    return 'L'
  elseif state == 'KM' and length >= 11 and (length - 11) % 16 == 0 then
    return 'M'
  end
end

-- The writes in flight beside one: those that have not lapsed, whether others have, and whether that one was there.
local function others(marker, attempt, now)
  local live, any_lapsed, is_there = '', false, false
  for at = 12, #marker, 16 do
    if sub(marker, at, at + 7) == attempt then
      is_there = true
    elseif parse('>I8', marker, at + 8) > now then
      live = live .. sub(marker, at, at + 15)
    else
      any_lapsed = true
    end
  end
  return live, any_lapsed, is_there
end

-- Stores V or N, for as long as the entry lasts and is worth keeping. What does not fit into the memory is not stored.
local function store(key, payload, now, max_entry_ms, max_absent_ms)
  local ttl = max_absent_ms
  if sub(payload, 2, 2) == 'V' then
    ttl = max_entry_ms
    if sub(payload, 11, 18) ~= ZERO then
      local expires_at = parse('>I8', payload, 11)
      ttl = math.min(ttl, math.floor((expires_at - now) / 1000))
    end
  end
  if ttl < 1 or pcall_redis('SET', key, payload, 'PX', ttl)['err'] then
    call('DEL', key)
  end
end
